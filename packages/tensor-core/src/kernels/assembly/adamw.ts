import { add4, all4, get, get4, mul4, set, set4, sub4 } from "./simd";

/** m and v change in place; the parameter's new value goes to `out`. */
export function adamw(p: usize, out: usize, g: usize, m: usize, v: usize, scale: f32, lr: f32, b1: f32, b2: f32, c1: f32, c2: f32, epsilon: f32, decay: f32, n: i32): void {
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
