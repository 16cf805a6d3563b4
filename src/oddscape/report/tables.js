// Tables: sorted by a click on a heading, or by Enter.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  for (const heading of table.querySelectorAll("th[data-column]")) {
    const sort = () => {
      const first = heading.dataset.first;
      const other = first === "descending" ? "ascending" : "descending";
      const order = heading.getAttribute("aria-sort") === first ? other : first;
      const sign = order === "ascending" ? 1 : -1;
      const value = (row) => row.cells[heading.dataset.column].dataset.value;
      // Undefined figures stay at the end either way.
      const compare = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        return sign * (isNaN(x) ? x.localeCompare(y) : x - y);
      };
      body.append(...[...body.rows].sort(compare));
      table.querySelectorAll("[aria-sort]").forEach((h) => h.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", order);
    };
    heading.tabIndex = 0;
    heading.addEventListener("click", sort);
    heading.addEventListener("keydown", (event) => event.key === "Enter" && sort());
  }
}
