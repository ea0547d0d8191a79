import type { ForeignGemm, OpenOptions } from "../gemm/types.ts";
import { blasNames, openBlas } from "./blas.ts";
import { ONNX_RUNTIME, openOnnxRuntime } from "./onnx-runtime.ts";

/** Matrix products to look for here, best first. */
export function gemmNames(): readonly string[] {
  return [...blasNames(), ONNX_RUNTIME];
}

/** Opens one. Throws with the reason when it is not there. */
export function openGemm(name: string, options: OpenOptions): ForeignGemm {
  return name === ONNX_RUNTIME ? openOnnxRuntime(options) : openBlas(name, options);
}
