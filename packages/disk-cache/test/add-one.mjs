// Adds an entry to the folder in the first argument and says what went wrong. Runs what is built: it is a process of its own.
import { openDiskCache } from "../dist/node/index.js";

try {
  openDiskCache(process.argv[2], { format: "test 1" }).add([["key", new Uint8Array(10)]]);
} catch ({ code, message }) {
  process.stdout.write(`${code} ${message}`);
}
