import { KdError } from "@kd/contract";
import { defaultThreads, openGemm, startPool } from "#node";
import type { BackendDescription, Tried } from "../backend/description.ts";
import { KERNELS, type KernelHost } from "../kernels/fused-kernels.ts";
import { checkGemm } from "./check-gemm.ts";
import type { ForeignGemm, OpenOptions } from "./types.ts";

export interface GemmChoice {
  /** Libraries that can be loaded, best first. */
  readonly names: readonly string[];
  /** Asked for by name: another one will not do. */
  readonly required: boolean;
  /** @defaultValue the machine's, at most 8 */
  readonly threads?: number | undefined;
  readonly tried: Tried[];
  /** Opens a library. @defaultValue with koffi, or ONNX Runtime */
  readonly open?: (name: string, options: OpenOptions) => ForeignGemm;
}

type Chosen = Pick<BackendDescription, "gemm" | "threads">;
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * Gives the kernels the fastest product there is, and threads. Throws KD_BACKEND when a library was asked for by name and is not right; the
 * kernels then keep what they had.
 */
export async function chooseGemm(host: KernelHost, choice: GemmChoice): Promise<Chosen> {
  const found = firstRight(host, choice);
  const threads = choice.threads ?? defaultThreads();
  await host.restart(`${found?.name} ${threads}`, async () => {
    host.setGemm(found?.foreign.gemm, found?.foreign.from ?? 0);
    if (threads > 1) await startThreads(host, threads, found?.foreign, choice.tried);
  });
  if (found === undefined) return { gemm: { provider: "wasm" }, threads: host.threads() };
  const { provider, version } = found.foreign;
  const gemm = { provider, library: found.name, ...(version === undefined ? {} : { version }) };
  return { gemm, threads: host.threads() };
}

function firstRight(host: KernelHost, { names, required, tried, open = openGemm }: GemmChoice) {
  for (const name of names) {
    try {
      const foreign = open(name, { host });
      const wrong = checkGemm(foreign.gemm, host.kernels);
      if (wrong === undefined) return { name, foreign };
      throw new Error(wrong);
    } catch (error) {
      tried.push({ name, reason: reasonOf(error) });
      if (required)
        throw new KdError(
          "KD_BACKEND",
          `useBackend: expected blas "${name}" to multiply matrices, got: ${reasonOf(error)}; give another path, or blas: false`,
          { cause: error },
        );
    }
  }
  return undefined;
}

/** Threads that multiply wrongly together, or do not start, are left out with the reason. */
async function startThreads(
  host: KernelHost,
  threads: number,
  foreign: ForeignGemm | undefined,
  tried: Tried[],
): Promise<void> {
  try {
    if (!(host.memory.buffer instanceof SharedArrayBuffer)) throw new Error("expected a heap that threads can share");
    const { module, memory, scratch } = host;
    const library = foreign === undefined ? {} : { library: foreign.perThread };
    host.setPool(
      await startPool({ threads, module, memory, scratch, kernels: KERNELS, hostFrom: foreign?.from ?? 0, ...library }),
    );
    const wrong = checkGemm(host.kernels.gemm, host.kernels);
    if (wrong !== undefined) throw new Error(wrong);
  } catch (error) {
    host.setPool(undefined);
    tried.push({ name: "threads", reason: reasonOf(error) });
  }
}
