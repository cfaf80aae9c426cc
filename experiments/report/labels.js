"use strict";
// the drill-down into labels: search, sort, compare two variants, open a label for all
(() => {
  const FIRST = 25; // labels shown at first
  const titleOf = { train_images: "train images", test_images: "test images", nearest_seen: "nearest seen", similarity: "similarity", note: "note", chance_ap: "chance AP" };
  const shown = (name, value) => {
    if (value === null || value === undefined) return "";
    if (name === "chance_ap") return (100 * value).toFixed(1);
    if (name === "similarity") return Number(value).toFixed(2);
    return typeof value === "number" ? value.toLocaleString("en") : value;
  };
  const percent = (value) => (value === null || value === undefined ? "" : (value / 10).toFixed(1));

  // for each variant and protocol, what is found instead of a label, by its name
  const lostLabels = (errors) => {
    const found = new Map();
    for (const view of errors?.views ?? []) {
      const told = view.confused.map((one) => {
        const instead = one.instead.map(([label, images]) => `${errors.labels[label]} ${images}`).join(", ");
        return [errors.labels[one.label], `missed in ${one.missed} of ${one.positives} images${instead && ": "}${instead}`];
      });
      found.set(`${view.variant} ${view.protocol}`, new Map(told));
    }
    return found;
  };

  function labels(root) {
    const data = JSON.parse(document.getElementById(`${root.dataset.table}-label-data`).textContent);
    const errors = JSON.parse(document.getElementById(`${root.dataset.table}-error-data`)?.textContent ?? "null");
    const lost = lostLabels(errors);
    const form = root.querySelector("form");
    const [table, more, count] = [root.querySelector("table"), root.querySelector(".more"), root.querySelector(".count")];
    const facts = Object.keys(data.facts[0] || {});
    const state = { column: "AP", direction: "descending", all: false, open: new Set() };
    data.titles.forEach((title, place) => {
      if (data.facts_of[place] === null) return;
      form.variant.append(option(place, `${place + 1} ${title}`));
      form.other.append(option(place, `${place + 1} ${title}`));
    });
    form.other.prepend(option("", "nothing"));
    form.other.value = "";
    for (const protocol of data.protocols) form.protocol.append(option(protocol, protocol.toUpperCase()));
    if (data.parts.includes("unseen")) form.part.value = "unseen";
    if (data.best !== null && data.facts_of[data.best] !== null) form.variant.value = data.best;

    const apOf = (protocol, place, label) => data.ap[protocol][place][label];
    const columns = () => {
      const [protocol, place, other] = [form.protocol.value, form.variant.value, form.other.value];
      const known = data.facts[data.facts_of[place]];
      const list = [
        { name: "label", value: (i) => data.labels[i], first: "ascending" },
        { name: "AP", title: `AP, ${protocol.toUpperCase()}`, value: (i) => apOf(protocol, place, i), text: percent, number: true },
      ];
      if (other !== "") {
        list.push({ name: "other", title: `AP of ${Number(other) + 1}`, value: (i) => apOf(protocol, other, i), text: percent, number: true });
        const less = (i) => {
          const [a, b] = [apOf(protocol, place, i), apOf(protocol, other, i)];
          return a === null || b === null ? null : a - b;
        };
        list.push({ name: "difference", value: less, text: (v) => (v > 0 ? "+" : "") + percent(v).replace("-", "−"), number: true });
      }
      list.push({ name: "part", value: (i) => data.parts[i], first: "ascending" });
      for (const name of facts) {
        const number = !["nearest_seen", "note"].includes(name);
        list.push({ name, title: titleOf[name] || name, value: (i) => known[name][i], text: (v) => shown(name, v), number, first: number ? undefined : "ascending" });
      }
      return list;
    };
    const detail = (label, width) => {
      const protocols = data.protocols.filter((p) => data.titles.some((_, place) => apOf(p, place, label) !== null));
      const row = make("tr", undefined, "detail");
      const cell = make("td");
      cell.colSpan = width;
      const inner = make("table");
      const head = inner.createTHead().insertRow();
      head.append(make("th", "variant"));
      for (const protocol of protocols) head.append(make("th", protocol.toUpperCase(), "num"), make("th"));
      const instead = data.titles.some((_, place) => lost.has(`${place} ${form.protocol.value}`));
      if (instead) head.append(make("th", `found instead, ${form.protocol.value.toUpperCase()}`));
      const body = inner.createTBody();
      const highest = Math.max(1, ...protocols.flatMap((p) => data.titles.map((_, place) => apOf(p, place, label) || 0)));
      data.titles.forEach((title, place) => {
        const line = body.insertRow();
        line.append(make("th", `${place + 1} ${title}`));
        for (const protocol of protocols) {
          const value = apOf(protocol, place, label);
          line.append(make("td", percent(value), "num"));
          const holder = line.insertCell();
          const bar = make("span", undefined, "bar");
          bar.style.width = `${(90 * (value || 0)) / highest}px`;
          if (value !== null) holder.append(bar);
        }
        const own = lost.get(`${place} ${form.protocol.value}`);
        if (instead) line.append(make("td", own ? (own.get(data.labels[label]) ?? "never missed") : "", "lost"));
      });
      cell.append(inner);
      row.append(cell);
      return row;
    };
    const draw = () => {
      const list = columns();
      const chosen = list.find((column) => column.name === state.column) || list[1];
      const [find, part] = [form.find.value.trim().toLowerCase(), form.part.value];
      const rows = data.labels.map((_, i) => i).filter((i) => (!part || data.parts[i] === part) && data.labels[i].toLowerCase().includes(find));
      const sign = state.direction === "ascending" ? 1 : -1;
      rows.sort((a, b) => compare(chosen.value(a), chosen.value(b), sign) || a - b);
      const head = make("tr");
      for (const column of list) {
        const header = make("th", undefined, column.number ? "num" : "");
        const button = make("button", column.title || column.name);
        if (column.first) header.dataset.first = column.first;
        header.scope = "col";
        if (column === chosen) header.setAttribute("aria-sort", state.direction);
        button.type = "button";
        button.addEventListener("click", () => {
          state.direction = turned(header);
          state.column = column.name;
          draw();
          [...table.tHead.rows[0].cells][list.indexOf(column)]?.firstElementChild.focus({ preventScroll: true });
        });
        header.append(button);
        head.append(header);
      }
      table.tHead.replaceChildren(head);
      const visible = state.all ? rows : rows.slice(0, FIRST);
      const lines = [];
      for (const i of visible) {
        const line = make("tr");
        for (const column of list) {
          const value = column.value(i);
          if (column.name === "label") {
            const [cell, button] = [make("th"), make("button", value)];
            cell.scope = "row";
            button.type = "button";
            button.setAttribute("aria-expanded", state.open.has(i));
            button.addEventListener("click", () => {
              if (!state.open.delete(i)) state.open.add(i);
              draw();
            });
            cell.append(button);
            line.append(cell);
          } else {
            const text = value === null || value === undefined ? "" : column.text ? column.text(value) : value;
            line.append(make("td", text, column.number ? "num" : column.name === "note" ? "note-text" : ""));
          }
        }
        lines.push(line);
        if (state.open.has(i)) lines.push(detail(i, list.length));
      }
      table.tBodies[0].replaceChildren(...lines);
      const number = (n) => n.toLocaleString("en");
      count.textContent = `${number(rows.length)} of ${number(data.labels.length)} labels` + (visible.length < rows.length ? `, the first ${FIRST} shown` : "");
      more.hidden = rows.length <= FIRST;
      more.textContent = state.all ? `Show the first ${FIRST}` : `Show all ${number(rows.length)}`;
    };
    more.addEventListener("click", () => {
      state.all = !state.all;
      draw();
    });
    form.addEventListener("input", draw);
    form.addEventListener("submit", (event) => event.preventDefault());
    draw();
  }
  document.querySelectorAll(".labels").forEach(labels);
})();
