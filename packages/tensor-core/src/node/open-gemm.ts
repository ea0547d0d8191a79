import type { ForeignGemm, OpenOptions } from "../gemm/types.ts";
import { blasNames, openBlas, whyNoBlas } from "./blas.ts";
import { ONNX_RUNTIME, openOnnxRuntime } from "./onnx-runtime.ts";
import { requireFor } from "./optional.ts";

/** Matrix products to look for here, best first. */
export function gemmNames(): readonly string[] {
  return [...blasNames(), ONNX_RUNTIME];
}

/** Why a product's library cannot be loaded here; undefined when it can. */
export function whyNoGemm(name: string): string | undefined {
  if (name !== ONNX_RUNTIME) return whyNoBlas(name);
  return requireFor(ONNX_RUNTIME) === undefined
    ? `expected the package ${name}, got none; npm install ${name}`
    : undefined;
}

/** ONNX Runtime refuses memory that threads share. */
export const needsOwnHeap = (name: string): boolean => name === ONNX_RUNTIME;

/** Opens one. Throws with the reason when it is not there. */
export function openGemm(name: string, options: OpenOptions): ForeignGemm {
  return name === ONNX_RUNTIME ? openOnnxRuntime(options) : openBlas(name, options);
}
