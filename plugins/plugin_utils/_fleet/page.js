"use strict";
(() => {
  const table = document.getElementById("table");
  const body = table.tBodies[0];
  const words = document.getElementById("words");
  const severity = document.getElementById("severity");
  const count = document.getElementById("count");
  const order = document.getElementById("order");
  const headings = [...table.tHead.rows[0].cells];
  const worstFirst = [...body.rows];

  const value = (row, column) => {
    const cell = row.cells[column];
    // What is empty comes behind all texts.
    return cell.dataset.value ?? (cell.classList.contains("none") ? "\uffff" : cell.textContent.trim());
  };
  const sort = (heading, column) => {
    const before = heading.getAttribute("aria-sort");
    const descending = before ? before === "ascending" : heading.dataset.first === "descending";
    for (const other of headings) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    order.value = column;
    const numbers = heading.dataset.kind === "number";
    const rows = [...body.rows].sort((one, other) => {
      const [a, b] = [value(one, column), value(other, column)];
      const apart = numbers ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
      return descending ? -apart : apart;
    });
    body.append(...rows);
  };
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    button.addEventListener("click", () => sort(heading, column));
    heading.replaceChildren(button);
    order.add(new Option(button.textContent, column));
  });
  order.addEventListener("change", () => {
    for (const heading of headings) heading.removeAttribute("aria-sort");
    if (order.value) sort(headings[order.value], Number(order.value));
    else body.append(...worstFirst);
  });
  document.getElementById("reverse").addEventListener("click", () => {
    const sorted = headings.findIndex((heading) => heading.hasAttribute("aria-sort"));
    if (sorted >= 0) sort(headings[sorted], sorted);
    else body.append(...[...body.rows].reverse());
  });

  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of body.rows) {
      const fits = (!severity.value || row.dataset.severity === severity.value)
        && wanted.every((word) => row.dataset.words.includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${body.rows.length} shown`;
  };
  const form = document.getElementById("filter");
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();
})();
