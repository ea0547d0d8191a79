import { KdError } from "@kd/contract";
import { gemmNames, openGemm } from "#node";
import type { BackendDescription, Tried } from "../backend/description.ts";
import type { FusedKernels } from "../kernels/binding.ts";
import { checkGemm } from "./check-gemm.ts";
import type { ForeignGemm, Gemm, OpenOptions } from "./types.ts";

export interface GemmChoice {
  /** A BLAS library, "onnxruntime-node", or false for none. @defaultValue the first found by name that computes right products */
  readonly blas?: string | false | undefined;
  /** @defaultValue the machine's */
  readonly threads?: number | undefined;
  readonly tried: Tried[];
  /** Opens a library. @defaultValue with koffi, or ONNX Runtime */
  readonly open?: (name: string, options: OpenOptions) => ForeignGemm;
}

type Chosen = Pick<BackendDescription, "gemm" | "threads">;

/** Gives the kernels the fastest product there is. Throws KD_BACKEND when a library was asked for by name and is not right; the kernels then keep the product they had. */
export function chooseGemm(kernels: FusedKernels, { blas, threads, tried, open = openGemm }: GemmChoice): Chosen {
  for (const name of blas === false ? [] : blas === undefined ? gemmNames() : [blas]) {
    try {
      const library = open(name, { threads, kernels });
      const wrong = checkGemm(library.gemm, kernels);
      if (wrong !== undefined) throw new Error(wrong);
      kernels.setGemm(largeOnly(library.gemm, kernels.wasmGemm));
      const version = library.version === undefined ? {} : { version: library.version };
      return { gemm: { provider: library.provider, library: name, ...version }, threads: library.threads };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      tried.push({ name, reason });
      if (blas === name)
        throw new KdError(
          "KD_BACKEND",
          `useBackend: expected blas "${name}" to multiply matrices, got: ${reason}; give another path, or blas: false`,
          { cause: error },
        );
    }
  }
  kernels.setGemm(kernels.wasmGemm);
  return { gemm: { provider: "wasm" }, threads: 1 };
}

// A call through koffi costs 0.5 µs: OpenBLAS is slower than the kernels' own product below 16³ multiplications (0.60 µs against 0.48 µs
// at 12³, equal at 16³) and faster above (1.2 µs against 1.7 µs at 24³), on one core of an x86-64 server. Empty products stay in wasm, too:
// BLAS refuses their strides.
const SMALL = 16 ** 3;

function largeOnly(large: Gemm, small: Gemm): Gemm {
  return (ta, tb, m, n, k, ...rest) => (m * n * k < SMALL ? small : large)(ta, tb, m, n, k, ...rest);
}
