import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-wasm";
import { KdError } from "@kd/contract";
import { env, setBackend, engine as tfEngine } from "@tensorflow/tfjs-core";
import { tensorflowThreads } from "#node";
import { chooseGemm } from "../gemm/choose-gemm.ts";
import { gemmCandidates } from "../gemm/gemm-candidates.ts";
import { type KernelHost, kernelHost } from "../kernels/fused-kernels.ts";
import { type BackendDescription, describe, type StartedBackend, type Tried } from "./description.ts";
import { type StartTensorflow, startCpu, startTensorflow, startWebgpu } from "./start-engine.ts";
import { startWasm } from "./start-wasm.ts";
import { tensorflowBinding } from "./tensorflow-ops.ts";

/** What {@link useBackend} starts. */
export interface BackendOptions {
  /** "auto" takes the first that starts of tensorflow (on a GPU only), wasm and cpu. @defaultValue "auto" */
  readonly engine?: "auto" | "wasm" | "cpu" | "tensorflow" | "webgpu";
  /** Path or name of a BLAS library, "onnxruntime-node", or false for none. @defaultValue the first found by name */
  readonly blas?: string | false;
  /**
   * Threads of the matrix product and, on wasm in Node, of the kernels; TensorFlow keeps those it was first started with in a process.
   * @defaultValue the machine's, at most 8; on tensorflow all
   */
  readonly threads?: number;
}

const STARTS: Readonly<Record<string, (options: StartTensorflow) => Promise<object>>> = {
  tensorflow: startTensorflow,
  wasm: startWasm,
  cpu: startCpu,
  webgpu: startWebgpu,
};
const AUTO = ["tensorflow", "wasm", "cpu"];
// One start at a time: tfjs gives a start up when another overtakes it, and has one current engine a process.
let turn: Promise<unknown> = Promise.resolve();
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * Starts an engine and makes it the current one for all tensors of this process; on wasm with the fused kernels and the fastest matrix
 * product found. Throws KD_BACKEND when the engine or the library asked for does not work; the engine before is then the current one again.
 */
export function useBackend(options: BackendOptions = {}): Promise<BackendDescription> {
  const result = turn.then(() => startNow(options));
  turn = result.catch(() => {});
  return result;
}

async function startNow(options: BackendOptions): Promise<BackendDescription> {
  const { engine = "auto", threads = 1 } = options;
  if (!Number.isInteger(threads) || threads < 1)
    throw new KdError("KD_CONFIG", `useBackend: threads must be a positive whole number, got ${threads}; leave it out`);
  const before = tfEngine().backendName;
  const tried: Tried[] = [];
  try {
    const wasm = engine === "auto" || engine === "wasm";
    const names = wasm ? gemmCandidates(options.blas, tried) : [];
    const { name, backend } = await startFirst(engine, { threads: options.threads, tried });
    return describe(backend, await furnish(name, backend, { ...options, names, tried }));
  } catch (error) {
    if (before) await setBackend(before);
    if (KdError.is(error)) throw error;
    throw new KdError("KD_BACKEND", `useBackend: expected engine "${engine}" to start, got: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

async function startFirst(
  engine: string,
  { threads, tried }: { readonly threads: number | undefined; readonly tried: Tried[] },
): Promise<{ name: string; backend: object }> {
  for (const name of engine === "auto" ? AUTO : [engine]) {
    const start = STARTS[name];
    if (start === undefined)
      throw new KdError(
        "KD_BACKEND",
        `useBackend: expected an engine of auto, ${Object.keys(STARTS).join(", ")}, got "${name}"`,
      );
    try {
      return { name, backend: await start({ gpuOnly: engine === "auto", threads }) };
    } catch (error) {
      if (engine !== "auto") throw error;
      tried.push({ name, reason: reasonOf(error) });
    }
  }
  const reasons = tried.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
  throw new KdError("KD_BACKEND", `useBackend: expected an engine that starts, got ${reasons}`);
}

/** Adds to a started engine what this package has for it. */
async function furnish(
  engine: string,
  backend: object,
  { blas, threads, names, tried }: BackendOptions & { readonly names: readonly string[]; readonly tried: Tried[] },
): Promise<StartedBackend> {
  if (engine === "wasm") {
    const host = kernelHost(backend) as KernelHost; // the start attached it
    const simd = Boolean(await env().getAsync("WASM_HAS_SIMD_SUPPORT"));
    const chosen = await chooseGemm(host, { names, required: typeof blas === "string", threads, tried });
    return { engine, ...chosen, simd, fused: true, tried };
  }
  if (typeof blas === "string")
    throw new KdError(
      "KD_BACKEND",
      `useBackend: expected engine "wasm" for blas "${blas}", got "${engine}"; leave blas out`,
    );
  return { engine, ...ownProduct(backend, { threads, tried }), simd: false, fused: false, tried };
}

/** The engine's own matrix product and its threads. */
function ownProduct(
  backend: object,
  { threads: wanted, tried }: { readonly threads: number | undefined; readonly tried: Tried[] },
): Pick<StartedBackend, "gemm" | "threads"> {
  const addon = tensorflowBinding(backend);
  const threads = tensorflowThreads(addon) ?? 1;
  if (addon !== undefined && wanted !== undefined && wanted !== threads)
    tried.push({ name: "threads", reason: `TensorFlow keeps the ${threads} that this process first started it with` });
  const library = addon === undefined ? {} : { library: "TensorFlow", version: addon.TF_Version };
  return { gemm: { provider: "engine", ...library }, threads };
}
