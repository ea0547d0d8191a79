import { add4, all4, at, get, get4, mul4, set, set4, sub4, sumLanes } from "./simd";

/** A parameter's record: p, out, gradient, m, v (addresses), elements, decay. */
const RECORD: usize = 32;

/** Elements r0…r1 of all parameters of `list`, one after another. m and v change in place; a parameter's new values go to `out`. */
export function adamw(list: usize, scale: f32, lr: f32, b1: f32, b2: f32, c1: f32, c2: f32, epsilon: f32, r0: i32, r1: i32): void {
  let start: i32 = 0;
  for (let record = list; start < r1; record += RECORD) {
    const n = load<i32>(record, 20), from = max(r0 - start, 0), to = min(r1 - start, n);
    if (from < to)
      step(at(load<u32>(record), from), at(load<u32>(record, 4), from), at(load<u32>(record, 8), from), at(load<u32>(record, 12), from), at(load<u32>(record, 16), from), scale, lr, b1, b2, c1, c2, epsilon, load<f32>(record, 24), to - from);
    start += n;
  }
}
function step(p: usize, out: usize, g: usize, m: usize, v: usize, scale: f32, lr: f32, b1: f32, b2: f32, c1: f32, c2: f32, epsilon: f32, decay: f32, n: i32): void {
  const keep: f32 = 1 - lr * decay, rate: f32 = lr / c1, root: f32 = 1 / c2;
  const S = all4(scale), B1 = all4(b1), B2 = all4(b2), D1 = all4(1 - b1), D2 = all4(1 - b2), K = all4(keep), L = all4(rate), C = all4(root), E = all4(epsilon);
  let i: i32 = 0;
  for (; i + 4 <= n; i += 4) {
    const gv = mul4(S, get4(g, i));
    const mv = add4(mul4(B1, get4(m, i)), mul4(D1, gv)), vv = add4(mul4(B2, get4(v, i)), mul4(D2, mul4(gv, gv)));
    set4(m, i, mv);
    set4(v, i, vv);
    set4(out, i, sub4(mul4(K, get4(p, i)), f32x4.div(mul4(L, mv), add4(f32x4.sqrt(mul4(vv, C)), E))));
  }
  for (; i < n; i++) {
    const gv = scale * get(g, i), mv = b1 * get(m, i) + (1 - b1) * gv, vv = b2 * get(v, i) + (1 - b2) * gv * gv;
    set(m, i, mv);
    set(v, i, vv);
    set(out, i, keep * get(p, i) - rate * mv / (sqrt<f32>(vv * root) + epsilon));
  }
}

/** Adds the squares of x's elements r0…r1 to the float64 at `total`: float32 lanes in blocks, added up in float64. */
export function sumOfSquares(x: usize, total: usize, r0: i32, r1: i32): void {
  let sum: f64 = 0;
  for (let i = r0; i < r1; i += 4096) {
    const end = min(r1, i + 4096);
    let s = all4(0), j = i;
    for (; j + 4 <= end; j += 4) s = add4(s, mul4(get4(x, j), get4(x, j)));
    sum += <f64>sumLanes(s);
    for (; j < end; j++) sum += <f64>get(x, j) * <f64>get(x, j);
  }
  store<f64>(total, load<f64>(total) + sum);
}
