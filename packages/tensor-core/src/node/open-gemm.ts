import type { ForeignGemm, OpenOptions } from "../gemm/types.ts";
import { blasNames, openBlas, whyNoBlas } from "./blas.ts";
import { ONNX_RUNTIME, openOnnxRuntime, whyNoOnnxRuntime } from "./onnx-runtime.ts";

/** Matrix products to look for here, best first. */
export function gemmNames(): readonly string[] {
  return [...blasNames(), ONNX_RUNTIME];
}

/** Why a product's library cannot be loaded here; undefined when it can. */
export function whyNoGemm(name: string): string | undefined {
  return name === ONNX_RUNTIME ? whyNoOnnxRuntime() : whyNoBlas(name);
}

/** Opens one. Throws with the reason when it is not there. */
export function openGemm(name: string, options: OpenOptions): ForeignGemm {
  return name === ONNX_RUNTIME ? openOnnxRuntime(options) : openBlas(name, options);
}
