import type { BackendDescription, BackendOptions } from "@kd/tensor-core";
import { type Command, InvalidArgumentError, Option } from "commander";

/** What `--engine`, `--blas` and `--threads` give. */
export interface EngineFlags {
  readonly engine: NonNullable<BackendOptions["engine"]>;
  readonly blas?: string;
  readonly threads?: number;
}

/** Adds the options of the engine, which KD_ENGINE, KD_BLAS and KD_THREADS set, too. */
export function withEngine(command: Command): Command {
  return command
    .addOption(
      new Option("--engine <name>", "what computes")
        .choices(["auto", "wasm", "cpu", "tensorflow", "webgpu"])
        .default("auto")
        .env("KD_ENGINE"),
    )
    .addOption(new Option("--blas <library>", 'a BLAS library, "onnxruntime-node" or "none"').env("KD_BLAS"))
    .addOption(
      new Option("--threads <n>", "threads; the machine's by default").env("KD_THREADS").argParser(wholeNumber),
    );
}

/** Starts what the options say. The engines are loaded here, not at start: `kd --help` needs none of them. */
export async function startEngine({ engine, blas, threads }: EngineFlags): Promise<BackendDescription> {
  const { useBackend } = await import("@kd/tensor-core");
  return useBackend({
    engine,
    ...(blas === undefined ? {} : { blas: blas === "none" ? (false as const) : blas }),
    ...(threads === undefined ? {} : { threads }),
  });
}

/** `wasm, libopenblas.so.0 0.3.21, 2 threads`: what decides the last bits of a number. */
export function engineName({ engine, gemm, threads }: BackendDescription): string {
  return `${engine}, ${gemm.library ?? gemm.provider}${gemm.version === undefined ? "" : ` ${gemm.version}`}, ${threads} threads`;
}

/** Parses an option's whole number of at least 1. */
export function wholeNumber(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError("Expected a whole number of at least 1.");
  return number;
}
