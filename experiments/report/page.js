"use strict";
(() => {
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const value = (row, index) => {
      const cell = row.cells[index];
      if (cell.dataset.value === undefined) return cell.textContent.trim();
      return cell.dataset.value === "" ? null : Number(cell.dataset.value);
    };
    for (const header of table.tHead.rows[0].cells) {
      header.firstElementChild.addEventListener("click", () => {
        const direction = turned(header);
        mark(header, direction);
        const sign = direction === "ascending" ? 1 : -1;
        const rows = [...body.rows].sort((a, b) => compare(value(a, header.cellIndex), value(b, header.cellIndex), sign));
        body.append(...rows);
      });
    }
  }

  for (const chooser of document.querySelectorAll(".chooser")) {
    const table = chooser.parentNode.querySelector(".results");
    chooser.addEventListener("change", (event) => {
      const column = event.target.dataset.column;
      for (const cell of table.querySelectorAll(`[data-column="${column}"]`)) cell.hidden = !event.target.checked;
      const visible = [...table.tHead.rows[0].cells].filter((cell) => !cell.hidden);
      table.style.setProperty("--columns", visible.length - 1);
    });
  }

  for (const select of document.querySelectorAll(".pictured")) {
    const section = select.closest("section");
    const show = () => {
      section.querySelector(".pictured-title").textContent = select.selectedOptions[0].textContent;
      for (const found of section.querySelectorAll("[data-variant]")) found.hidden = found.dataset.variant !== select.value;
      for (const card of section.querySelectorAll(".card")) card.hidden = !card.querySelector(`[data-variant="${select.value}"]`);
    };
    select.addEventListener("change", show);
    show();
  }

  if (navigator.clipboard) {
    for (const command of document.querySelectorAll(".command")) {
      const button = make("button", "Copy", "copy");
      button.type = "button";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(command.firstElementChild.textContent);
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      });
      command.classList.add("copyable");
      command.append(button);
    }
  }

  const opened = [];
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details:not([open]):not(.chooser)")) {
      details.open = true;
      opened.push(details);
    }
  });
  addEventListener("afterprint", () => {
    for (const details of opened.splice(0)) details.open = false;
  });
})();
