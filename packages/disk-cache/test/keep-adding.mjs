// Adds entries to the folder in the first argument until it is killed; says so after each. Runs what is built: it is a process of its own.
import { openDiskCache } from "../dist/node/index.js";

const [, , folder, name] = process.argv;
const cache = openDiskCache(folder, { format: "test 1" });
for (let i = 0; ; i++) {
  cache.add([[`${name}-${i}`, new Uint8Array(1000).fill(i % 251)]]);
  process.stdout.write(`${i}\n`);
}
