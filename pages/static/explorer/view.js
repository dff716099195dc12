"use strict";
// Makes the elements of the page. What files hold becomes text, never HTML.

explorer.element = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

const MARKS = { added: "+", removed: "−", changed: "~" };
const WORDS = { added: "only with these answers", removed: "not with these answers", changed: "differs" };

// Returns a link that opens a file. `change` is what explorer.change returns.
explorer.link = (state, path, text, change) => {
  const { element } = explorer;
  const link = element("a", { href: explorer.format({ ...state, file: path, show: "difference" }), className: change });
  link.dataset.path = path;
  if (path === state.file) link.setAttribute("aria-current", "true");
  const mark = element("span", { className: `mark ${change}`, textContent: MARKS[change] ?? "", ariaHidden: "true" });
  link.append(text);
  const words = element("span", { className: "visually-hidden", textContent: ` (${WORDS[change]})` });
  if (mark.textContent) link.append(words);
  return element("li", { className: "file" }, mark, link);
};

// Returns the list of a folder; `changes` maps all paths to what becomes of them, `opened` is the Set of open folders.
explorer.tree = (state, changes, opened, folder = "") => {
  const { element } = explorer;
  const below = [...changes.keys()].filter((path) => path.startsWith(folder));
  const names = new Set(below.map((path) => path.slice(folder.length).replace(/\/.*/, "/")));
  const sorted = [...names].sort((a, b) => b.endsWith("/") - a.endsWith("/") || (a < b ? -1 : 1));
  const items = sorted.map((name) => {
    const path = folder + name;
    if (!name.endsWith("/")) return explorer.link(state, path, name, changes.get(path));
    const inside = new Map(below.filter((each) => each.startsWith(path)).map((each) => [each, changes.get(each)]));
    const differ = [...inside.values()].filter((change) => change !== "same").length;
    const count = element("small", { textContent: differ ? ` ${differ} ${differ === 1 ? "differs" : "differ"}` : "" });
    const details = element("details", { open: opened.has(path) }, element("summary", {}, name, count));
    details.dataset.path = path;
    // made when it is opened for the first time
    const fill = () => details.children[1] || details.append(explorer.tree(state, inside, opened, path));
    if (details.open) fill();
    details.addEventListener("toggle", () => {
      opened[details.open ? "add" : "delete"](path);
      if (details.open) fill();
    });
    return element("li", {}, details);
  });
  return element("ul", {}, ...items);
};

// Returns a file's text, coloured: `marks` holds distance, length and kind of each coloured part (highlighting.py).
explorer.text = ({ text, marks }) => {
  const code = explorer.element("code");
  let at = 0;
  for (let i = 0; i < marks.length; i += 3) {
    const [start, end] = [at + marks[i], at + marks[i] + marks[i + 1]];
    const part = explorer.element("span", { className: `token-${marks[i + 2]}`, textContent: text.slice(start, end) });
    code.append(text.slice(at, start), part);
    at = end;
  }
  code.append(text.slice(at));
  return code;
};

explorer.hunksView = (difference) => {
  const { element } = explorer;
  const code = element("code");
  for (const { old, fresh, lines } of explorer.hunks(difference)) {
    const count = (sign) => lines.filter(([each]) => each !== sign).length;
    const head = `@@ -${old},${count("+")} +${fresh},${count("-")} @@\n`;
    code.append(element("span", { className: "hunk", textContent: head }));
    for (const [sign, line] of lines) {
      const className = { " ": "line", "-": "line removed", "+": "line added" }[sign];
      code.append(element("span", { className, textContent: sign + line }));
    }
  }
  return code;
};
