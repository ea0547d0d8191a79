// Row-wise copies and sums: embedding, bias and their gradients.
import { at, axpy } from "./simd";

export function copy(source: usize, target: usize, i0: i32, i1: i32): void { memory.copy(at(target, i0), at(source, i0), <usize>(i1 - i0) << 2); }
export function zero(target: usize, i0: i32, i1: i32): void { memory.fill(at(target, i0), 0, <usize>(i1 - i0) << 2); }

export function addBias(y: usize, bias: usize, n: i32, r0: i32, r1: i32): void {
  for (let r = r0; r < r1; r++) axpy(at(y, r * n), bias, 1, n);
}
export function colSum(y: usize, out: usize, n: i32, r0: i32, r1: i32): void {
  for (let r = r0; r < r1; r++) axpy(out, at(y, r * n), 1, n);
}
export function gatherRows(table: usize, ids: usize, out: usize, d: i32, r0: i32, r1: i32): void {
  for (let r = r0; r < r1; r++) memory.copy(at(out, r * d), at(table, load<i32>(at(ids, r)) * d), <usize>d << 2);
}
/** Adds row r of x to row ids[r] of out, columns c0…c1 of it; ids outside [0, count) are skipped, as tfjs does. */
export function segAdd(x: usize, ids: usize, out: usize, d: i32, count: i32, rows: i32, c0: i32, c1: i32): void {
  for (let r: i32 = 0; r < rows; r++) {
    const id = load<i32>(at(ids, r));
    if (id >= 0 && id < count) axpy(at(out, id * d + c0), at(x, r * d + c0), 1, c1 - c0);
  }
}
/** Row r of source (zeros when source is 0) becomes row ids[r] of out. */
export function putRows(source: usize, ids: usize, out: usize, d: i32, r0: i32, r1: i32): void {
  for (let r = r0; r < r1; r++) {
    const target = at(out, load<i32>(at(ids, r)) * d);
    if (source == 0) memory.fill(target, 0, <usize>d << 2);
    else memory.copy(target, at(source, r * d), <usize>d << 2);
  }
}
