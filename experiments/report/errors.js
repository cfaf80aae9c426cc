"use strict";
// the browser of the worst test images, and the labels that are found in place of others
(() => {
  const number = (n) => n.toLocaleString("en");
  const verdicts = new Map([[true, ["right", "✓", "right"]], [false, ["wrong", "✗", "wrong"]], [null, ["unknown", "?", "not annotated"]]]);

  function errors(root) {
    const data = JSON.parse(document.getElementById(`${root.dataset.table}-error-data`).textContent);
    const [first, worst] = [Number(root.dataset.first), Number(root.dataset.worst)];
    const form = root.querySelector("form");
    const [cards, more, count, title] = [".cards", ".more", ".count", ".errors-title"].map((name) => root.querySelector(name));
    const confusions = root.querySelector(".confusions tbody");
    const unseen = new Set(data.unseen);
    let shown = first;

    const view = () => data.views.find((v) => String(v.variant) === form.variant.value && v.protocol === form.protocol.value);
    const named = (tag, label) => {
      const element = make(tag, data.labels[label]);
      if (unseen.has(label)) element.append(" ", make("span", "unseen", "tag"));
      return element;
    };
    const line = ([label, rank, score, right], judged) => {
      const [kind, sign, told] = verdicts.get(right);
      const item = make("li", undefined, judged ? kind : "");
      item.append(make("span", rank, "rank"));
      const text = named("span", label);
      text.className = "label";
      if (judged) {
        const verdict = make("span", sign, "verdict");
        verdict.setAttribute("role", "img");
        verdict.setAttribute("aria-label", told);
        item.append(verdict);
        if (right === false) text.append(" ", make("span", "wrong", "said"));
      }
      item.append(text, make("span", Number(score.toPrecision(3)), "score"));
      return item;
    };
    const list = (labels, judged) => {
      const element = make("ul", undefined, judged ? "found" : "true");
      element.append(...labels.map((label) => line(label, judged)));
      return element;
    };
    const card = (image) => {
      const element = make("li", undefined, "card");
      if (data.pictures[image.image]) {
        const picture = make("img");
        picture.alt = `Test image ${data.names[image.image]}`;
        picture.src = `data:image/jpeg;base64,${data.pictures[image.image]}`;
        element.append(picture);
      }
      const ap = (100 * image.ap).toFixed(1);
      element.append(make("h4", data.names[image.image]), make("p", `AP ${ap}; shows, with rank and score`, "what"));
      element.append(list(image.true, false), make("p", "found", "what"), list(image.top, true));
      return element;
    };
    const confused = (one) => {
      const row = make("tr");
      const head = named("th", one.label);
      head.scope = "row";
      const share = ((100 * one.missed) / one.positives).toFixed(0);
      row.append(head, make("td", number(one.positives), "num"), make("td", `${number(one.missed)} (${share} %)`, "num"));
      const cell = row.insertCell();
      one.instead.forEach(([label, images], place) => {
        const part = named("span", label);
        part.className = "instead";
        part.append(` ${number(images)}`);
        cell.append(place ? ", " : "", part);
      });
      if (!one.instead.length) cell.append(make("span", "nothing wrong", "none"));
      return row;
    };
    const among = (labels, wanted) => labels.some(([label]) => wanted.has(label));
    const fits = (image, wanted, role) => {
      const [found, wrong] = [image.top, image.top.filter(([, , , right]) => right === false)];
      if (role === "true") return among(image.true, wanted);
      if (role === "wrong") return among(wrong, wanted);
      if (role === "missed") return among(image.true.filter(([label]) => !found.some(([other]) => other === label)), wanted);
      return among(image.true, wanted) || among(found, wanted);
    };
    const draw = () => {
      const now = view();
      const find = form.label.value.trim().toLowerCase();
      const exact = data.labels.findIndex((name) => name.toLowerCase() === find);
      const named = data.labels.map((_, i) => i).filter((i) => (exact < 0 ? data.labels[i].toLowerCase().includes(find) : i === exact));
      const wanted = new Set(named);
      const filtered = find !== "" || form.role.value !== "any";
      const images = filtered ? now.images.filter((image) => fits(image, wanted, form.role.value)) : now.images;
      cards.replaceChildren(...images.slice(0, shown).map(card));
      title.replaceChildren(make("b", data.titles[now.variant]), `, ${now.protocol.toUpperCase()}`);
      const of = `${number(images.length)} images of ${filtered ? `${number(now.images.length)} listed` : `${number(now.ranked)} that show a label`}`;
      count.textContent = of + (images.length > shown ? `; the first ${number(shown)} shown` : "");
      more.hidden = images.length <= shown;
      more.textContent = `Show ${number(Math.min(4 * first, images.length - shown))} more`;
      const rows = find === "" ? now.confused : now.confused.filter((one) => wanted.has(one.label));
      confusions.replaceChildren(...rows.slice(0, worst).map(confused));
      if (!rows.length) {
        const cell = confusions.insertRow().insertCell();
        cell.colSpan = 4;
        cell.append(make("span", "no such label is missed", "none"));
      }
    };
    const protocols = () => {
      const before = form.protocol.value;
      const there = data.views.filter((v) => String(v.variant) === form.variant.value).map((v) => v.protocol);
      form.protocol.replaceChildren(...there.map((name) => option(name, name.toUpperCase())));
      form.protocol.value = there.includes(before) ? before : there[0];
    };
    for (const place of new Set(data.views.map((v) => v.variant))) form.variant.append(option(place, data.titles[place]));
    form.variant.value = data.variant;
    protocols();
    form.addEventListener("input", (event) => {
      if (event.target === form.variant) protocols();
      shown = first;
      draw();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    more.addEventListener("click", () => {
      shown += 4 * first;
      draw();
    });
    form.hidden = false;
    draw();
  }
  document.querySelectorAll(".errors").forEach(errors);
})();
