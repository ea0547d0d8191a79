import type { Gemm } from "../gemm/types.ts";

type Call = (...args: unknown[]) => unknown;
/** What is used of koffi, which is optional and brings its types only when installed. */
export interface Koffi {
  load(path: string): { func(prototype: string): Call };
  address(view: Uint8Array): bigint;
  view(address: bigint, bytes: number): ArrayBuffer;
}

/** What a thread has to bind a product with. */
export interface ThreadTools {
  readonly require: (path: string) => unknown;
  /** The kernels' own product in this thread. */
  readonly ownGemm: Gemm;
}

/** A library's product as plain data, so that each thread can bind its own. */
export interface SgemmLibrary {
  readonly kind: "blas";
  /** What koffi is required by: an absolute path. */
  readonly koffi: string;
  /** Path, or name for the system's loader. */
  readonly path: string;
  /** Address of the wasm heap's first byte: a shared memory grows in place and never moves. */
  readonly base: number;
}

/**
 * Binds a library's product in the calling thread and sets it to one thread: several of ours call it at once. It is given to worker
 * threads as text, so it uses nothing from outside itself. Throws when the library is missing or is none.
 */
export function bindSgemm({ koffi: koffiPath, path, base }: SgemmLibrary, { require }: ThreadTools): Gemm {
  const koffi = require(koffiPath) as Koffi;
  const library = koffi.load(path);
  const optional = (from: { func(prototype: string): Call }, prototype: string): Call | undefined => {
    try {
      return from.func(prototype);
    } catch {
      return undefined; // another library's function
    }
  };
  const dnnl = optional(
    library,
    "int dnnl_sgemm(char, char, int64_t, int64_t, int64_t, float, uintptr_t, int64_t, uintptr_t, int64_t, float, uintptr_t, int64_t)",
  );
  if (dnnl !== undefined) {
    // oneDNN multiplies with OpenMP, whose number of threads belongs to the calling thread.
    for (const runtime of ["libgomp.so.1", "libomp.so.5", "libiomp5.so"])
      try {
        optional(koffi.load(runtime), "void omp_set_num_threads(int)")?.(1);
      } catch {} // another runtime
    // A signal that arrives inside its product overwrites its memory (2.6.3, from C and Python, too). Other threads of the process take the
    // signals instead; faults stay, which the engine needs: ILL, TRAP, ABRT, BUS, FPE, SEGV.
    const signals = new Uint8Array(128).fill(255);
    for (const fault of [4, 5, 6, 7, 8, 11])
      signals[(fault - 1) >> 3] = (signals[(fault - 1) >> 3] as number) & ~(1 << ((fault - 1) & 7));
    koffi.load("libc.so.6").func("int pthread_sigmask(int, const uint8_t*, void*)")(0, signals, null);
    const [no, yes] = [78, 84]; // "N", "T"
    return (ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) => {
      dnnl(ta ? yes : no, tb ? yes : no, m, n, k, alpha, base + a, lda, base + b, ldb, beta, base + c, ldc);
    };
  }
  const sgemm = library.func(
    "void cblas_sgemm(int, int, int, int, int, int, float, uintptr_t, int, uintptr_t, int, float, uintptr_t, int)",
  );
  const set =
    optional(library, "void openblas_set_num_threads(int)") ??
    optional(library, "void MKL_Set_Num_Threads(int)") ??
    optional(library, "void bli_thread_set_num_threads(int64_t)");
  set?.(1);
  const [rowMajor, no, yes] = [101, 111, 112]; // cblas.h
  return (ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) => {
    sgemm(rowMajor, ta ? yes : no, tb ? yes : no, m, n, k, alpha, base + a, lda, base + b, ldb, beta, base + c, ldc);
  };
}
