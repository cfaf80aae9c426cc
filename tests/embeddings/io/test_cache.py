"""Where the cache lies."""

from pathlib import Path

from embeddings.io.cache import default_cache


def test_the_users_variables_are_followed_in_order(monkeypatch):
    monkeypatch.setenv("ZSL_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert default_cache() == Path("/a")
    monkeypatch.delenv("ZSL_CACHE")
    assert default_cache() == Path("/b/zsl")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache" / "zsl"
