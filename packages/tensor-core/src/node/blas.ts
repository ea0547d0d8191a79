import { createRequire } from "node:module";
import { cpus } from "node:os";
import process from "node:process";
import { KdError } from "@kd/contract";
import type { ForeignGemm, OpenOptions } from "../gemm/types.ts";
import { requireFor } from "./optional.ts";
import { bindSgemm, type Koffi } from "./sgemm.ts";

const MKL = ["libmkl_rt.so.3", "libmkl_rt.so.2"];
const ONEDNN = ["libdnnl.so.3", "libdnnl.so.2"];
const OPENBLAS = ["libopenblas.so.0", "libopenblas.so"];
const BLIS = ["libblis.so.4"];

/** Libraries to look for here, best first; the system's loader finds them. */
export function blasNames(): readonly string[] {
  if (process.platform === "darwin") return ["/System/Library/Frameworks/Accelerate.framework/Accelerate"];
  if (process.platform === "win32") return ["openblas.dll"];
  // On AMD's processors MKL does without AVX-512: half the speed of the others there. oneDNN is as fast as the best, but comes after OpenBLAS:
  // it needs signals kept away (sgemm.ts). Measured: bench/README.md.
  const isAmd = cpus()[0]?.model.includes("AMD") ?? false;
  return isAmd ? [...OPENBLAS, ...ONEDNN, ...MKL, ...BLIS] : [...MKL, ...OPENBLAS, ...ONEDNN, ...BLIS];
}

function koffi(): { koffi: Koffi; path: string } {
  const require = requireFor("koffi");
  if (require === undefined)
    throw new KdError("KD_BACKEND", "openGemm: expected the package koffi, got none; npm install koffi");
  return { koffi: require("koffi") as Koffi, path: require.resolve("koffi") };
}

/** Why a library cannot be loaded here; undefined when it can. */
export function whyNoBlas(name: string): string | undefined {
  try {
    koffi().koffi.load(name);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

// A call through koffi costs half a microsecond: OpenBLAS is slower than the kernels' own product below 16³ multiplications (0.60 µs against
// 0.48 µs at 12³, equal at 16³) and faster above (1.2 µs against 1.7 µs at 24³), on one core of an x86-64 server.
const SMALL = 16 ** 3;

/** Opens a BLAS library on the kernels' heap, on one thread: the kernels' threads call it side by side. Throws with the reason when there is none. */
export function openBlas(name: string, { host }: OpenOptions): ForeignGemm {
  const loader = koffi();
  const base = Number(loader.koffi.address(new Uint8Array(host.memory.buffer)));
  const perThread = { kind: "blas" as const, koffi: loader.path, path: name, base };
  const gemm = bindSgemm(perThread, { require: createRequire(loader.path), ownGemm: host.serialGemm });
  const version = versionOf(loader.koffi, name);
  return {
    provider: "blas",
    gemm,
    perThread,
    from: SMALL,
    ...(version === undefined ? {} : { version }),
  };
}

/** What OpenBLAS and BLIS say of themselves. */
function versionOf(loader: Koffi, name: string): string | undefined {
  for (const prototype of ["const char* openblas_get_config()", "const char* bli_info_get_version_str()"])
    try {
      return String(loader.load(name).func(prototype)());
    } catch {} // another library's function
  return undefined;
}
