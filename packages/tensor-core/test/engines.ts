import { type BackendOptions, engine, type Tensor, tidy } from "../src/index.ts";

export type Engine = Exclude<BackendOptions["engine"], "auto" | undefined>;

/** Engines of every suite that does not test one engine alone: cpu and wasm, or those that KD_TEST_ENGINES names, as "tensorflow" or "cpu,webgpu". */
export const engines: readonly Engine[] = (process.env.KD_TEST_ENGINES ?? "cpu,wasm").split(",") as Engine[];

/** For suites that read synchronously, which webgpu cannot: on it they run on wasm. */
export const syncEngines: readonly Engine[] = engines.includes("webgpu") ? ["wasm"] : engines;

/** For suites that need numbers in main memory, where what they hold is checked without waiting for a device. */
const near = engines.filter((engine) => engine === "cpu" || engine === "wasm");
export const memoryEngines: readonly Engine[] = near.length > 0 ? near : ["cpu", "wasm"];

/** For a suite that needs one engine only: the preferred one where it is among them. */
export const oneEngine = (preferred: Engine): Engine =>
  engines.includes(preferred) ? preferred : (engines[0] as Engine);

/** Values of a tensor, or of the one that a function makes, which is then freed. Not `dataSync`: webgpu has no synchronous read. */
export async function valuesOf(of: Tensor | (() => Tensor)): Promise<Float32Array> {
  const tensor = typeof of === "function" ? tidy(of) : of;
  const data = Float32Array.from(await tensor.data());
  if (typeof of === "function") tensor.dispose();
  return data;
}

/** The value of a scalar, likewise. */
export const numberOf = async (of: Tensor | (() => Tensor)): Promise<number> => (await valuesOf(of))[0] as number;

/** `tidy` for work that waits; only one at a time, as in the tests of one file. */
export async function tidyAsync(work: () => Promise<void>): Promise<void> {
  engine().startScope();
  try {
    await work();
  } finally {
    engine().endScope();
  }
}
