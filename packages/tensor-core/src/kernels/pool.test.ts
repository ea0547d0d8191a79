import { expect, it } from "vitest";
import { JOB } from "./job.ts";
import { createPool } from "./pool.ts";

const job = { kernel: 0, args: [], count: 5, chunks: 5, size: 1, strided: -1, stride: 0 };

it("gives every chunk to the main thread when no other claims one", () => {
  const seen: number[] = [];
  createPool(new SharedArrayBuffer(JOB.bytes), 2).run(job, (chunk) => seen.push(chunk));
  expect(seen).toEqual([0, 1, 2, 3, 4]);
});

it("throws what a chunk threw once all chunks are done, and runs the next job", () => {
  const memory = new SharedArrayBuffer(JOB.bytes);
  const words = new Int32Array(memory, 0, JOB.arguments / 4);
  const pool = createPool(memory, 2);
  const seen: number[] = [];
  const run = () =>
    pool.run(job, (chunk) => {
      seen.push(chunk);
      if (chunk === 1) throw new Error("broken");
    });
  expect(run).toThrow("broken");
  expect(seen).toEqual([0, 1]);
  expect([Atomics.load(words, JOB.done), Atomics.load(words, JOB.ticket) & 255]).toEqual([5, 5]);
  seen.length = 0;
  pool.run(job, (chunk) => seen.push(chunk));
  expect(seen).toHaveLength(5);
});

it("names a failure of another thread", () => {
  const memory = new SharedArrayBuffer(JOB.bytes);
  new Int32Array(memory)[JOB.failed] = 1;
  expect(() => createPool(memory, 2).run(job, () => {})).toThrow(expect.objectContaining({ code: "KD_BACKEND" }));
});
