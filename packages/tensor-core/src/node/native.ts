import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { KdError } from "@kd/contract";

const GPU = "@tensorflow/tfjs-node-gpu";
const NAPI_VERSIONS = [8, 7, 6, 5, 4, 3];

/** The folder of an installed tfjs-node whose addon was built: importing one without it leaves 170 broken kernels behind. */
function findNative(names: readonly string[]): string | undefined {
  for (const name of names)
    for (const from of [import.meta.url, join(process.cwd(), "index.js")]) {
      try {
        const root = dirname(createRequire(from).resolve(`${name}/package.json`));
        if (NAPI_VERSIONS.some((v) => existsSync(join(root, "lib", `napi-v${v}`, "tfjs_binding.node")))) return root;
      } catch {
        // not here: the next place
      }
    }
  return undefined;
}

/** Registers tfjs-node's engine "tensorflow" with tfjs. Throws KD_BACKEND when none is installed. */
export async function loadTensorflow({ gpuOnly }: { gpuOnly: boolean }): Promise<void> {
  const names = gpuOnly ? [GPU] : [GPU, "@tensorflow/tfjs-node"];
  const root = findNative(names);
  if (root === undefined)
    throw new KdError(
      "KD_BACKEND",
      `useBackend: expected ${names.join(" or ")} with its addon built for engine "tensorflow", got none; install it or use "wasm"`,
    );
  const util = createRequire(import.meta.url)("node:util") as Record<string, unknown>;
  // tfjs-node 4.22 calls these two; Node 23 removed the first
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  util.isArray ??= Array.isArray;
  await import(pathToFileURL(createRequire(join(root, "package.json")).resolve(root)).href);
}
