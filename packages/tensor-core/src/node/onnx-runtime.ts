import { createRequire } from "node:module";
import { KdError } from "@kd/contract";
import type { ForeignGemm, OpenOptions } from "../gemm/types.ts";
import { bindOnnxRuntime } from "./onnx-gemm.ts";
import { productModel } from "./onnx-model.ts";
import { requireFor } from "./optional.ts";
import type { Koffi } from "./sgemm.ts";

export const ONNX_RUNTIME = "onnxruntime-node";
// A session's run costs tens of microseconds. On two threads the kernels' own product is as fast at 96³ multiplications (112 µs against 72 µs
// in version 1.20 and 116 µs in 1.30) and slower at 128³ (170 µs against 94 µs).
const SMALL = 96 ** 3;

/** Why ONNX Runtime cannot be loaded here; undefined when it can. */
export function whyNoOnnxRuntime(): string | undefined {
  const missing = [ONNX_RUNTIME, "koffi"].find((name) => requireFor(name) === undefined);
  return missing === undefined ? undefined : `expected the package ${missing}, got none; npm install ${missing}`;
}

/** Opens ONNX Runtime's matrix product on the kernels' heap, a session of one thread in each of the kernels'. Throws with the reason when it is not installed. */
export function openOnnxRuntime({ host }: OpenOptions): ForeignGemm {
  const reason = whyNoOnnxRuntime();
  if (reason !== undefined) throw new KdError("KD_BACKEND", `openGemm: ${reason}`);
  const require = requireFor(ONNX_RUNTIME) as NodeJS.Require;
  const koffi = (requireFor("koffi") as NodeJS.Require).resolve("koffi");
  const { version } = require(`${ONNX_RUNTIME}/package.json`) as { version: string };
  const perThread = {
    kind: "onnxruntime" as const,
    koffi,
    binding: require.resolve(`${ONNX_RUNTIME}/dist/binding.js`),
    common: createRequire(require.resolve(ONNX_RUNTIME)).resolve("onnxruntime-common"),
    models: [0, 1, 2, 3].map((i) => productModel(i > 1, i % 2 === 1)), // transposes of A and B
    base: Number((require(koffi) as Koffi).address(new Uint8Array(host.memory.buffer))),
    small: SMALL,
  };
  const gemm = bindOnnxRuntime(perThread, { require, ownGemm: host.serialGemm });
  return { provider: "onnxruntime", gemm, from: SMALL, perThread, version };
}
