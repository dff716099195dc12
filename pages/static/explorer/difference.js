"use strict";
// The difference of two texts, line by line.

// cells of the table that finds the longest common subsequence: 8 MB
const MOST = 4_000_000;

// Returns [[sign, line], …] with the signs " ", "-" and "+". What is too long for the table is replaced in whole.
explorer.difference = (before, after) => {
  const [a, b] = [lines(before), lines(after)];
  let [start, end] = [0, 0];
  while (start < Math.min(a.length, b.length) && a[start] === b[start]) start++;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const same = (part) => part.map((line) => [" ", line]);
  const middle = changed(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return [...same(a.slice(0, start)), ...middle, ...same(a.slice(a.length - end))];
};

// A last line without a line break is unlike the same line with one.
const lines = (text) => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

const changed = (a, b) => {
  if ((a.length + 1) * (b.length + 1) > MOST) return [...a.map((line) => ["-", line]), ...b.map((line) => ["+", line])];
  const common = table(a, b);
  const found = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      found.push([" ", a[i++]]);
      j++;
    } else if (j === b.length || (i < a.length && common(i + 1, j) >= common(i, j + 1))) {
      found.push(["-", a[i++]]);
    } else {
      found.push(["+", b[j++]]);
    }
  }
  return found;
};

// Returns a function that says how many lines the rests of both texts have in common, at most, from lines i and j on.
const table = (a, b) => {
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  const common = (i, j) => lengths[i * width + j];
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const longest = a[i] === b[j] ? common(i + 1, j + 1) + 1 : Math.max(common(i + 1, j), common(i, j + 1));
      lengths[i * width + j] = longest;
    }
  }
  return common;
};

// Returns the parts to show, each with the lines around it and the numbers of its first lines: [{old, fresh, lines}].
explorer.hunks = (difference, around = 3) => {
  const near = new Set();
  difference.forEach(([sign], at) => {
    if (sign !== " ") for (let i = at - around; i <= at + around; i++) near.add(i);
  });
  const hunks = [];
  let [old, fresh] = [1, 1];
  difference.forEach(([sign, line], at) => {
    if (near.has(at)) {
      if (!near.has(at - 1) || at === 0) hunks.push({ old, fresh, lines: [] });
      hunks.at(-1).lines.push([sign, line]);
    }
    if (sign !== "+") old++;
    if (sign !== "-") fresh++;
  });
  return hunks;
};
