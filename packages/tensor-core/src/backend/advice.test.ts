import { expect, it } from "vitest";
import { type AdviceFacts, adviceFor } from "./advice.ts";

const linux = { platform: "linux", threads: 4, gpu: false, koffi: true, apt: true };
const browser = { platform: "browser", threads: 1, gpu: false, koffi: false, apt: false };
const engine = (name: string) => ({
  engine: name,
  gemm: { provider: "engine" as const },
  threads: 1,
  simd: false,
  fused: false,
  tried: [],
  onGpu: false,
  machine: linux,
});
const best: AdviceFacts = {
  ...engine("wasm"),
  gemm: { provider: "blas", library: "libopenblas.so.0" },
  threads: 4,
  simd: true,
  fused: true,
  tried: [{ name: "libmkl_rt.so.2", reason: "not found" }],
};
const noBlas: AdviceFacts = { ...best, gemm: { provider: "wasm" }, threads: 1 };

it.each<[string, AdviceFacts, RegExp | undefined]>([
  ["wasm with a BLAS on all cores", best, undefined],
  [
    "a GPU beside it",
    { ...best, machine: { ...linux, gpu: true } },
    /GPU is there: npm install @tensorflow\/tfjs-node-gpu/,
  ],
  ["a GPU in use", { ...engine("tensorflow"), onGpu: true, machine: { ...linux, gpu: true } }, undefined],
  ["a GPU in a browser", { ...noBlas, machine: { ...browser, gpu: true } }, /"webgpu"/],
  ["webgpu in a browser", { ...engine("webgpu"), onGpu: true, machine: { ...browser, gpu: true } }, undefined],
  ["a browser without a GPU", { ...noBlas, tried: [], machine: { ...browser, threads: 1 } }, undefined],
  ["cpu by choice", engine("cpu"), /useBackend\(\{ engine: "wasm" \}\)/],
  [
    "cpu since wasm failed",
    { ...engine("cpu"), tried: [{ name: "wasm", reason: "no WebAssembly" }] },
    /"wasm" start: no WebAssembly/,
  ],
  ["no SIMD", { ...best, simd: false }, /SIMD/],
  ["blas: false", { ...noBlas, tried: [{ name: "tensorflow", reason: "none" }] }, /^leave blas: false out$/],
  ["no koffi", { ...noBlas, machine: { ...linux, koffi: false } }, /^npm install koffi$/],
  ["no library", noBlas, /^install OpenBLAS: apt-get install libopenblas0$/],
  [
    "no library, another system",
    { ...noBlas, machine: { ...linux, platform: "win32", apt: false } },
    /package manager/,
  ],
  ["ONNX Runtime", { ...noBlas, gemm: { provider: "onnxruntime" } }, /OpenBLAS/],
  ["fewer threads than the machine takes", { ...best, threads: 2 }, /^leave threads out: this machine takes 4$/],
  [
    "threads that did not start",
    { ...best, threads: 1, tried: [{ name: "threads", reason: "no shared heap" }] },
    /threads start: no shared heap/,
  ],
  ["tfjs-node without a GPU", engine("tensorflow"), /"wasm" \}\) with a system BLAS/],
])("%s", (_, facts, advice) => {
  if (advice === undefined) expect(adviceFor(facts)).toBeUndefined();
  else expect(adviceFor(facts)).toMatch(advice);
});
