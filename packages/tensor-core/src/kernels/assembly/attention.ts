// q, out, dy, dq: [B, T, H, D]; k, v, dk, dv: [B, S, KV, D]; p: [B, H, T, S]. Row by row: at the sizes of a small model a
// packed product costs more to pack than to multiply.
import { add4, all4, at, axpy, dot, exp1, exp4, get, get4, set, set4, sub4, sumLanes } from "./simd";

@inline function visible(i: i32, T: i32, S: i32, causal: i32): i32 { return causal ? S - T + i + 1 : S; }

export function attentionFwd(q: usize, k: usize, v: usize, mask: usize, out: usize, p: usize, B: i32, T: i32, S: i32, H: i32, KV: i32, D: i32, causal: i32, scale: f32): void {
  const group = H / KV;
  for (let b: i32 = 0; b < B; b++) for (let h: i32 = 0; h < H; h++) {
    const kh = h / group;
    for (let i: i32 = 0; i < T; i++) {
      const row = at(p, ((b * H + h) * T + i) * S), qi = at(q, ((b * T + i) * H + h) * D), n = visible(i, T, S, causal);
      let top: f32 = -Infinity;
      for (let j: i32 = 0; j < n; j++) {
        let x = scale * dot(qi, at(k, ((b * S + j) * KV + kh) * D), D);
        if (mask != 0 && get(mask, b * S + j) == 0) x -= 1e9;
        set(row, j, x);
        top = max(top, x);
      }
      let total: f32 = 0;
      const tv = all4(top);
      let sv = all4(0), j: i32 = 0;
      for (; j + 4 <= n; j += 4) { const e = exp4(sub4(get4(row, j), tv)); set4(row, j, e); sv = add4(sv, e); }
      total = sumLanes(sv);
      for (; j < n; j++) { const e = exp1(get(row, j) - top); set(row, j, e); total += e; }
      const o = at(out, ((b * T + i) * H + h) * D), r: f32 = 1 / total;
      memory.fill(o, 0, <usize>D << 2);
      for (j = 0; j < n; j++) {
        const w = get(row, j) * r;
        set(row, j, w);
        axpy(o, at(v, ((b * S + j) * KV + kh) * D), w, D);
      }
      for (; j < S; j++) set(row, j, 0);
    }
  }
}
/** dk and dv accumulate: zeroed by the caller. scores: scratch of at least S floats. */
export function attentionBwd(dy: usize, q: usize, k: usize, v: usize, p: usize, dq: usize, dk: usize, dv: usize, scores: usize, B: i32, T: i32, S: i32, H: i32, KV: i32, D: i32, causal: i32, scale: f32): void {
  const group = H / KV;
  for (let b: i32 = 0; b < B; b++) for (let h: i32 = 0; h < H; h++) {
    const kh = h / group;
    for (let i: i32 = 0; i < T; i++) {
      const o = ((b * T + i) * H + h) * D, row = at(p, ((b * H + h) * T + i) * S), n = visible(i, T, S, causal);
      const dyi = at(dy, o), qi = at(q, o), dqi = at(dq, o);
      let total: f32 = 0;
      for (let j: i32 = 0; j < n; j++) {
        const kv = ((b * S + j) * KV + kh) * D, w = get(row, j);
        axpy(at(dv, kv), dyi, w, D);
        const dp = dot(dyi, at(v, kv), D);
        set(scores, j, dp);
        total += w * dp;
      }
      memory.fill(dqi, 0, <usize>D << 2);
      for (let j: i32 = 0; j < n; j++) {
        const kv = ((b * S + j) * KV + kh) * D, ds: f32 = scale * get(row, j) * (get(scores, j) - total);
        axpy(dqi, at(k, kv), ds, D);
        axpy(at(dk, kv), qi, ds, D);
      }
    }
  }
}
