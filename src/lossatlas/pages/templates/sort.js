// Click a heading to sort by it; without a script the tables are complete and sorted by the mean.
for (const table of document.querySelectorAll("table")) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const up = head.getAttribute("aria-sort") === "descending";
      table.querySelectorAll("thead th").forEach(th => th.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = row => {
        const text = row.cells[column].textContent.replaceAll("−", "-").replaceAll(",", " ");
        const number = parseFloat(text.replace(/^[[<]\s*/, ""));
        return Number.isNaN(number) ? text : number;
      };
      const order = (x, y) => typeof x === typeof y
        ? (up ? 1 : -1) * (typeof x === "number" ? x - y : x.localeCompare(y))
        : typeof x === "number" ? -1 : 1;
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort((a, b) => order(key(a), key(b))));
    };
  });
}
