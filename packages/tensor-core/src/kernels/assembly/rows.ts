// Row-wise copies and sums: embedding, bias and their gradients.
import { add4, all4, at, axpy, get, get4, mul4, sumLanes } from "./simd";

export function copy(source: usize, target: usize, bytes: usize): void { memory.copy(target, source, bytes); }
export function zero(target: usize, bytes: usize): void { memory.fill(target, 0, bytes); }

export function addBias(y: usize, bias: usize, n: i32, r0: i32, r1: i32): void {
  for (let r = r0; r < r1; r++) axpy(at(y, r * n), bias, 1, n);
}
export function colSum(y: usize, out: usize, n: i32, r0: i32, r1: i32): void {
  for (let r = r0; r < r1; r++) axpy(out, at(y, r * n), 1, n);
}
export function gatherRows(table: usize, ids: usize, out: usize, d: i32, r0: i32, r1: i32): void {
  for (let r = r0; r < r1; r++) memory.copy(at(out, r * d), at(table, load<i32>(at(ids, r)) * d), <usize>d << 2);
}
/** Adds row r of x to row ids[r] of out; ids outside [0, count) are skipped, as tfjs does. */
export function segAdd(x: usize, ids: usize, out: usize, d: i32, count: i32, r0: i32, r1: i32): void {
  for (let r = r0; r < r1; r++) {
    const id = load<i32>(at(ids, r));
    if (id >= 0 && id < count) axpy(at(out, id * d), at(x, r * d), 1, d);
  }
}
/** Row r of source (zeros when source is 0) becomes row ids[r] of out. */
export function putRows(source: usize, ids: usize, out: usize, d: i32, n: i32): void {
  for (let r: i32 = 0; r < n; r++) {
    const target = at(out, load<i32>(at(ids, r)) * d);
    if (source == 0) memory.fill(target, 0, <usize>d << 2);
    else memory.copy(target, at(source, r * d), <usize>d << 2);
  }
}
export function sumOfSquares(x: usize, n: i32): f64 {
  let total: f64 = 0;
  // Blocks of float32 lanes, added up in float64.
  for (let i: i32 = 0; i < n; i += 4096) {
    const end = min(n, i + 4096);
    let s = all4(0);
    let j = i;
    for (; j + 4 <= end; j += 4) s = add4(s, mul4(get4(x, j), get4(x, j)));
    total += <f64>sumLanes(s);
    for (; j < end; j++) total += <f64>get(x, j) * <f64>get(x, j);
  }
  return total;
}
