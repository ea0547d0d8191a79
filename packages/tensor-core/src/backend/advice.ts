import type { StartedBackend } from "./description.ts";
import type { Machine } from "./machine.ts";

/** What advice is chosen by. */
export interface AdviceFacts extends StartedBackend {
  /** Whether the engine computes on a GPU. */
  readonly onGpu: boolean;
  readonly machine: Machine;
}

interface Rule {
  readonly when: (facts: AdviceFacts) => boolean;
  readonly advice: (facts: AdviceFacts) => string;
}

const NO_LIBRARIES = ["wasm", "cpu", "tensorflow", "webgpu", "threads"];
const inBrowser = ({ machine }: AdviceFacts): boolean => machine.platform === "browser";
const slowGemm = ({ engine, gemm, machine }: AdviceFacts): boolean =>
  engine === "wasm" && gemm.provider !== "blas" && machine.platform !== "browser";
/** Libraries were looked for: with `blas: false` none is among what was tried. */
const soughtBlas = ({ tried }: AdviceFacts): boolean => tried.some(({ name }) => !NO_LIBRARIES.includes(name));
const fewThreads = ({ engine, threads, machine }: AdviceFacts): boolean =>
  engine === "wasm" && threads < machine.threads;
const failure = ({ tried }: AdviceFacts, engine: string): string | undefined =>
  tried.find(({ name }) => name === engine)?.reason;

/** The largest gain first; the first that applies is the advice. */
const RULES: readonly Rule[] = [
  {
    when: (facts) => facts.machine.gpu && !facts.onGpu && !inBrowser(facts),
    advice: () => "a GPU is there: npm install @tensorflow/tfjs-node-gpu (it needs CUDA and its addon)",
  },
  {
    when: (facts) => facts.machine.gpu && !facts.onGpu && inBrowser(facts),
    advice: () => 'a GPU is there: useBackend({ engine: "webgpu" }) with @tensorflow/tfjs-backend-webgpu',
  },
  {
    when: (facts) => facts.engine === "cpu" && failure(facts, "wasm") !== undefined,
    advice: (facts) => `make engine "wasm" start: ${failure(facts, "wasm")}`,
  },
  { when: ({ engine }) => engine === "cpu", advice: () => 'useBackend({ engine: "wasm" }), which has fused kernels' },
  {
    when: ({ engine, simd }) => engine === "wasm" && !simd,
    advice: () => "use a runtime with WebAssembly SIMD: Node 20 or a browser of today",
  },
  { when: (facts) => slowGemm(facts) && !soughtBlas(facts), advice: () => "leave blas: false out" },
  { when: (facts) => slowGemm(facts) && !facts.machine.koffi, advice: () => "npm install koffi" },
  {
    when: (facts) => slowGemm(facts) && facts.machine.apt,
    advice: () => "install OpenBLAS: apt-get install libopenblas0",
  },
  {
    when: (facts) => slowGemm(facts),
    advice: () => "install OpenBLAS with the system's package manager, or give its path as blas",
  },
  {
    when: (facts) => fewThreads(facts) && failure(facts, "threads") !== undefined,
    advice: (facts) => `make threads start: ${failure(facts, "threads")}`,
  },
  { when: fewThreads, advice: ({ machine }) => `leave threads out: this machine takes ${machine.threads}` },
  {
    when: ({ engine, onGpu }) => engine === "tensorflow" && !onGpu,
    advice: () => 'useBackend({ engine: "wasm" }) with a system BLAS, if the model fits its 4 GiB',
  },
];

/** The one thing that would make training faster; undefined when there is none. */
export function adviceFor(facts: AdviceFacts): string | undefined {
  return RULES.find(({ when }) => when(facts))?.advice(facts);
}
