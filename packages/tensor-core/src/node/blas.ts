import { availableParallelism } from "node:os";
import process from "node:process";
import { KdError } from "@kd/contract";
import type { ForeignGemm, OpenOptions } from "../gemm/types.ts";
import { requireFor } from "./optional.ts";

type Call = (...args: unknown[]) => unknown;
/** What is used of koffi, which is optional and brings its types only when installed. */
interface Koffi {
  load(path: string): { func(prototype: string): Call };
}

const NAMES: Readonly<Record<string, readonly string[]>> = {
  darwin: ["/System/Library/Frameworks/Accelerate.framework/Accelerate"],
  linux: ["libmkl_rt.so.3", "libmkl_rt.so.2", "libopenblas.so.0", "libopenblas.so", "libblis.so.4"],
  win32: ["openblas.dll"],
};
const SGEMM =
  "void cblas_sgemm(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int)";
// cblas.h
const [ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE] = [101, 111, 112];

/** Libraries to look for here, best first; the system's loader finds them. */
export function blasNames(): readonly string[] {
  return NAMES[process.platform] ?? [];
}

/** Opens a BLAS library on the kernels' heap. Throws with the reason when there is none. */
export function openBlas(name: string, { threads = availableParallelism(), kernels }: OpenOptions): ForeignGemm {
  const require = requireFor("koffi");
  if (require === undefined)
    throw new KdError("KD_BACKEND", "openGemm: expected the package koffi, got none; npm install koffi");
  const library = (require("koffi") as Koffi).load(name);
  const optional = (prototype: string): Call | undefined => {
    try {
      return library.func(prototype);
    } catch {
      return undefined; // another library's function
    }
  };
  const sgemm = library.func(SGEMM);
  const set =
    optional("void openblas_set_num_threads(int)") ??
    optional("void MKL_Set_Num_Threads(int)") ??
    optional("void bli_thread_set_num_threads(int64_t)");
  set?.(threads);
  const inUse = optional("int openblas_get_num_threads()") ?? optional("int MKL_Get_Max_Threads()");
  const version = optional("const char* openblas_get_config()") ?? optional("const char* bli_info_get_version_str()");
  const at = (address: number): Float32Array => new Float32Array(kernels.buffer(), address, 1); // the heap may have grown
  return {
    provider: "blas",
    gemm: (ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) => {
      const [transposeA, transposeB] = [ta ? TRANSPOSE : NO_TRANSPOSE, tb ? TRANSPOSE : NO_TRANSPOSE];
      sgemm(ROW_MAJOR, transposeA, transposeB, m, n, k, alpha, at(a), lda, at(b), ldb, beta, at(c), ldc);
    },
    // Accelerate takes no number of threads: it uses the machine's
    threads: (inUse?.() as number | undefined) ?? (set === undefined ? availableParallelism() : threads),
    ...(version === undefined ? {} : { version: String(version()) }),
  };
}
