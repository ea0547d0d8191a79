import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { KdError } from "@kd/contract";
import { requireFor } from "./optional.ts";

const GPU = "@tensorflow/tfjs-node-gpu";
const THREADS = "TF_NUM_INTRAOP_THREADS";
// by addon, since a process loads one once
const threadsOf = new WeakMap<object, number>();

/**
 * The folder of an installed tfjs-node whose addon loads. It is loaded here, before the package is imported: importing one whose addon is
 * missing or does not load leaves 170 broken kernels behind. Throws the reason.
 */
function openNative(name: string, threads: number | undefined): string {
  const require = requireFor(`${name}/package.json`);
  if (require === undefined) throw new Error("is not installed");
  const root = dirname(require.resolve(`${name}/package.json`));
  const { binary } = require(`${name}/package.json`) as { binary?: { napi_versions?: number[] } };
  const known = (binary?.napi_versions ?? [8]).filter((version) => version <= Number(process.versions.napi));
  const addon = join(root, "lib", `napi-v${Math.max(...known)}`, "tfjs_binding.node");
  if (!existsSync(addon)) throw new Error(`has no addon built: no file ${addon}`);
  const before = process.env[THREADS];
  // TensorFlow makes its threads while it loads, and asks its environment alone how many
  if (threads !== undefined && require.cache[addon] === undefined) process.env[THREADS] = `${threads}`;
  try {
    const loaded = require(addon) as object;
    if (!threadsOf.has(loaded)) threadsOf.set(loaded, Number(process.env[THREADS]) || availableParallelism());
  } finally {
    if (before === undefined) delete process.env[THREADS];
    else process.env[THREADS] = before;
  }
  return root;
}

/** Threads of the addon that {@link loadTensorflow} loaded; undefined for another's. */
export function tensorflowThreads(addon: object | undefined): number | undefined {
  return addon === undefined ? undefined : threadsOf.get(addon);
}

/**
 * Registers tfjs-node's engine "tensorflow" with tfjs. It keeps the threads that it was first loaded with. Throws KD_BACKEND with a reason
 * for each package when none works.
 */
export async function loadTensorflow({
  gpuOnly,
  threads,
}: {
  readonly gpuOnly: boolean;
  readonly threads?: number | undefined;
}): Promise<void> {
  const names = gpuOnly ? [GPU] : [GPU, "@tensorflow/tfjs-node"];
  const reasons: string[] = [];
  for (const name of names) {
    try {
      return await importNative(openNative(name, threads));
    } catch (error) {
      reasons.push(`${name} ${error instanceof Error ? error.message : error}`);
    }
  }
  throw new KdError(
    "KD_BACKEND",
    `useBackend: expected ${names.join(" or ")} with its addon built for engine "tensorflow", got: ${reasons.join("; ")}; install it anew or use "wasm"`,
  );
}

async function importNative(root: string): Promise<void> {
  const util = createRequire(import.meta.url)("node:util") as Record<string, unknown>;
  // tfjs-node 4.22 calls these two; Node 23 removed the first
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  util.isArray ??= Array.isArray;
  await import(pathToFileURL(createRequire(join(root, "package.json")).resolve(root)).href);
}
