import { KdError } from "@kd/contract";
import type { BackendDescription } from "@kd/tensor-core";
import { Command } from "commander";
import { type EngineFlags, startEngine, withEngine } from "../engine.ts";
import { bytes, paint, rows, say, sayJson } from "../terminal.ts";

/** `kd doctor`: what computes here, and what would make it faster. */
export function doctorCommand(): Command {
  return withEngine(new Command("doctor"))
    .description("say what computes on this machine, what did not start and why, and what would make it faster")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", "\nExamples:\n  kd doctor\n  kd doctor --engine webgpu\n  KD_THREADS=1 kd doctor --json")
    .action(async (flags: EngineFlags & { readonly json?: boolean }) => {
      const backend = inOptions(await startEngine(flags));
      const product = await multiply();
      const { version: node, platform, arch } = process;
      if (flags.json) sayJson({ ...backend, node, platform, arch, computes: product === 11 });
      else say(describe(backend, product === 11));
      if (product !== 11)
        throw new KdError(
          "KD_BACKEND",
          `doctor: expected ${backend.engine} to give 11 for a product, got ${product}; choose another --engine or --blas`,
        );
    });
}

/** The advice speaks of `useBackend`'s options; here they are the command's. */
function inOptions({ advice, ...backend }: BackendDescription): BackendDescription {
  const said = advice
    ?.replace(/useBackend\(\{ engine: "(\w+)" \}\)/, "--engine $1")
    .replace("blas: false", "--blas none")
    .replace("as blas", "as --blas")
    .replace("leave threads", "leave --threads");
  return said === undefined ? backend : { ...backend, advice: said };
}

/** An engine that starts may still not compute: [1 2]·[3 4]ᵀ. */
async function multiply(): Promise<number> {
  const { matMul, tensor2d } = await import("@kd/tensor-core");
  const [a, b] = [tensor2d([1, 2], [1, 2]), tensor2d([3, 4], [2, 1])];
  const product = matMul(a, b);
  const [value] = await product.data();
  for (const made of [a, b, product]) made.dispose();
  return value as number;
}

function describe(backend: BackendDescription, computes: boolean): string {
  const { engine, gemm, threads, simd, fused, memoryLimit, tried, advice } = backend;
  const { green, yellow, red } = paint(process.stdout);
  const product =
    gemm.library ??
    { onnxruntime: "onnxruntime-node", wasm: "the wasm kernels", engine: "the engine" }[gemm.provider as "wasm"];
  return [
    rows([
      ["engine", computes ? green(engine) : red(`${engine}, which gives wrong numbers`)],
      ["matrix products", `${product}${gemm.version === undefined ? "" : ` (${gemm.version})`}`],
      ["threads", threads],
      ["SIMD", engine === "wasm" ? (simd ? "yes" : "no") : undefined],
      ["fused kernels", fused ? "yes" : "no"],
      ["memory for tensors", memoryLimit === undefined ? undefined : bytes(memoryLimit)],
      ["Node.js", `${process.version}, ${process.platform} ${process.arch}`],
    ]),
    ...[...byReason(tried)].map(([reason, names]) => `not used: ${names.join(", ")}: ${reason}`),
    advice === undefined ? "nothing to improve" : `${yellow("advice")}: ${advice}`,
  ].join("\n");
}

function byReason(tried: BackendDescription["tried"]): Map<string, string[]> {
  const reasons = new Map<string, string[]>();
  for (const { name, reason } of tried) reasons.set(reason, [...(reasons.get(reason) ?? []), name]);
  return reasons;
}
