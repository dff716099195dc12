"use strict";
// Everything of the explorer hangs here. These are plain scripts: a page that is opened from a disk may load no modules.
const explorer = { base: document.currentScript.src.replace(/[^/]*$/, "") };

// what was rendered: the questions, all files and their versions (data.py writes it)
explorer.begin = (manifest) => {
  explorer.manifest = manifest;
  explorer.numbers = new Map(manifest.files.map((file, number) => [file.path, number]));
  explorer.start();
};
