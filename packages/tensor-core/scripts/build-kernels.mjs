// Compiles src/kernels/assembly to src/kernels/bytes.ts. With --check it only compares, so that CI proves the committed bytes.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const kernels = join(dirname(fileURLToPath(import.meta.url)), "../src/kernels");
const output = new Map();
// No data segment may be emitted (it would overwrite tfjs's own statics): --runtime stub, no strings, no static arrays.
const flags = [
  "-O3",
  "--noAssert",
  "--runtime",
  "stub",
  "--importMemory",
  "--initialMemory",
  "1",
  "--maximumMemory",
  "65536",
  "--enable",
  "simd",
];
const { error, stderr } = await asc.main(["assembly/index.ts", "-o", "kernels.wasm", "--baseDir", kernels, ...flags], {
  writeFile: (name, contents) => output.set(name, contents),
});
if (error) {
  console.error(stderr.toString());
  process.exit(1);
}
const base64 = Buffer.from(output.get("kernels.wasm")).toString("base64");
const text = `/** Made by scripts/build-kernels.mjs from assembly/: do not edit. */\nexport const KERNEL_BYTES: string =\n  "${base64}";\n`;
const target = join(kernels, "bytes.ts");
if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== text) {
    console.error("src/kernels/bytes.ts is not what assembly/ compiles to: run npm run kernels");
    process.exit(1);
  }
} else writeFileSync(target, text);
console.log(`kernels: ${output.get("kernels.wasm").length} bytes`);
