import { open } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { loadLlava } from "@kd/mllm/node";
import { loadSlm } from "@kd/slm/node";
import { useBackend } from "@kd/tensor-core";
import { collectGarbage, forgetPeak, peakMib, residentMib } from "./memory.ts";
import { UsageError } from "./usage-error.ts";

/** One load in one process. */
export interface Loaded {
  readonly what: "bytes" | "llava" | "slm";
  readonly ms: number;
  readonly cpuMs: number;
  /** Above what was resident before. */
  readonly peakMib: number;
}

const LOADS = {
  llava: loadLlava,
  slm: loadSlm,
  bytes: (folder: string) => widenFile(join(folder, "model.safetensors")),
};

/** What `load` starts: one load in this process, after the engine has started; one line of JSON. */
export async function loadOnce([what, folder = ""]: string[]): Promise<void> {
  if (what !== "bytes" && what !== "llava" && what !== "slm")
    throw new UsageError("load-once: expected bytes, llava or slm, then a folder");
  await useBackend({ engine: "wasm", blas: false });
  collectGarbage();
  forgetPeak();
  const idle = residentMib();
  const before = process.cpuUsage();
  const start = performance.now();
  const kept = await LOADS[what](folder);
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(before);
  const result: Loaded = { what, ms, cpuMs: (user + system) / 1000, peakMib: peakMib() - idle };
  process.stdout.write(`${JSON.stringify({ ...result, kept: "params" in kept ? kept.params.size : kept.length })}\n`);
}

/** The least that loading can be: every byte read once, 16-bit numbers widened, the result kept. */
async function widenFile(path: string): Promise<Float32Array> {
  const file = await open(path);
  const { size } = await file.stat();
  const prefix = new DataView(new ArrayBuffer(8));
  await file.read(prefix, 0, 8, 0);
  let position = 8 + Number(prefix.getBigUint64(0, true));
  const header = new Uint8Array(position - 8);
  await file.read(header, 0, header.length, 8);
  const [, type = "F32"] = /"dtype":"(BF16|F16)"/.exec(new TextDecoder().decode(header)) ?? [];
  const isHalf = type !== "F32";
  const widen = type === "BF16" ? widenBf16 : widenF16;
  const values = new Float32Array((size - position) / (isHalf ? 2 : 4));
  const bits = new Int32Array(values.buffer);
  const buffer = new ArrayBuffer(2 ** 24);
  for (let done = 0; position < size; ) {
    const { bytesRead } = await file.read(
      new Uint8Array(buffer),
      0,
      Math.min(buffer.byteLength, size - position),
      position,
    );
    position += bytesRead;
    done += isHalf
      ? widen(new Uint16Array(buffer, 0, bytesRead / 2), bits.subarray(done))
      : copy(new Int32Array(buffer, 0, bytesRead / 4), bits.subarray(done));
  }
  await file.close();
  return values;
}

function widenBf16(words: Uint16Array, bits: Int32Array): number {
  for (let i = 0; i < words.length; i++) bits[i] = (words[i] as number) << 16;
  return words.length;
}

function widenF16(words: Uint16Array, bits: Int32Array): number {
  const floats = new Float32Array(bits.buffer, bits.byteOffset, bits.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as number;
    const [sign, size] = [(word & 0x8000) << 16, word & 0x7fff];
    if (size < 0x400) floats[i] = (sign === 0 ? size : -size) * 2 ** -24;
    else bits[i] = sign | ((size << 13) + (size < 0x7c00 ? 112 << 23 : 224 << 23));
  }
  return words.length;
}

function copy(words: Int32Array, bits: Int32Array): number {
  bits.set(words);
  return words.length;
}
