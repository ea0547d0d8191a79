// Leaves a loader after its first batch, with nothing else alive, and says so once it is closed. Runs what is built: it is a process of its own.
import { createLoader, openSource } from "../dist/node/index.js";

const [, , path] = process.argv;
const source = await openSource(path);
const encoder = { module: new URL("./encoder.mjs", import.meta.url).href, options: { slow: true } };
const loader = await createLoader([{ source }], { encoder, batchSize: 1, seed: 0, epochs: 1, workers: 1, ahead: 2 });
for await (const _ of loader) {
  for (const end = Date.now() + 300; Date.now() < end; ); // a step: answers wait meanwhile
  break;
}
await source.close();
process.stdout.write("closed");
