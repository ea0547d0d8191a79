// q, out, dy, dq: [B, T, H, D]; k, v, dk, dv: [B, S, KV, D]; logSums: [B, H, T]. Rows of queries go in blocks through the matrix product; no
// probabilities are kept: the backward pass makes them again from the scores and the logarithm of each row's sum.
import { at, exp1, exp4, get, get4, log1, all4, add4, mul4, rowMax, set, set4, sub4, sumLanes } from "./simd";
import { product } from "./gemm";

/** Rows of queries of one block: with causal attention the keys after it are not looked at. */
@inline function blockOf(T: i32): i32 { return T <= 96 ? T : 64; }
@inline function visible(i: i32, T: i32, S: i32, causal: i32): i32 { return causal ? S - T + i + 1 : S; }

/** Bytes of scratch memory of one chunk of units. */
export function attentionScratch(T: i32, S: i32): i32 { return 2 * blockOf(T) * S * 4; }

/** scale·q·kᵀ of m rows and n keys, masked keys far below all others. */
function scoresOf(q: usize, k: usize, mask: usize, scores: usize, m: i32, n: i32, S: i32, D: i32, ldq: i32, ldk: i32, scale: f32): void {
  product(0, 1, m, n, D, scale, q, ldq, k, ldk, 0, scores, S);
  if (mask != 0)
    for (let i: i32 = 0; i < m; i++)
      for (let j: i32 = 0; j < n; j++) if (get(mask, j) == 0) set(at(scores, i * S), j, get(at(scores, i * S), j) - 1e9);
}
/** exp(row − shift) of n elements in place; gives their sum. */
function expRow(row: usize, n: i32, shift: f32): f32 {
  const s = all4(shift);
  let total4 = all4(0), j: i32 = 0;
  for (; j + 4 <= n; j += 4) { const e = exp4(sub4(get4(row, j), s)); set4(row, j, e); total4 = add4(total4, e); }
  let total = sumLanes(total4);
  for (; j < n; j++) { const e = exp1(get(row, j) - shift); set(row, j, e); total += e; }
  return total;
}

/** Units r0…r1 of B·H heads. scratch: attentionScratch bytes. */
export function attentionFwd(q: usize, k: usize, v: usize, mask: usize, out: usize, logSums: usize, scratch: usize, T: i32, S: i32, H: i32, KV: i32, D: i32, causal: i32, scale: f32, r0: i32, r1: i32): void {
  const group = H / KV, block = blockOf(T), ldq = H * D, ldk = KV * D;
  for (let u = r0; u < r1; u++) {
    const b = u / H, h = u % H, keys = at(k, (b * S * KV + h / group) * D), values = at(v, (b * S * KV + h / group) * D);
    const hidden = mask == 0 ? 0 : at(mask, b * S);
    for (let i0: i32 = 0; i0 < T; i0 += block) {
      const m = min(block, T - i0), n = visible(i0 + m - 1, T, S, causal), first = ((b * T + i0) * H + h) * D;
      scoresOf(at(q, first), keys, hidden, scratch, m, n, S, D, ldq, ldk, scale);
      for (let i: i32 = 0; i < m; i++) {
        const row = at(scratch, i * S), seen = visible(i0 + i, T, S, causal), top = rowMax(row, seen), total = expRow(row, seen, top);
        set(logSums, (b * H + h) * T + i0 + i, top + log1(total));
        const r: f32 = 1 / total, r4 = all4(r);
        let j: i32 = 0;
        for (; j + 4 <= seen; j += 4) set4(row, j, mul4(get4(row, j), r4));
        for (; j < seen; j++) set(row, j, get(row, j) * r);
        for (; j < n; j++) set(row, j, 0);
      }
      product(0, 0, m, D, n, 1, scratch, S, values, ldk, 0, at(out, first), ldq);
    }
  }
}
/** Units r0…r1 of B·KV key heads; dk and dv accumulate: zeroed by the caller. */
export function attentionBwd(dy: usize, q: usize, k: usize, v: usize, mask: usize, logSums: usize, dq: usize, dk: usize, dv: usize, scratch: usize, T: i32, S: i32, H: i32, KV: i32, D: i32, causal: i32, scale: f32, r0: i32, r1: i32): void {
  const group = H / KV, block = blockOf(T), ldq = H * D, ldk = KV * D, slopes = at(scratch, block * S);
  for (let u = r0; u < r1; u++) {
    const b = u / KV, kv = (b * S * KV + u % KV) * D, hidden = mask == 0 ? 0 : at(mask, b * S);
    for (let h = (u % KV) * group; h < (u % KV + 1) * group; h++)
      for (let i0: i32 = 0; i0 < T; i0 += block) {
        const m = min(block, T - i0), n = visible(i0 + m - 1, T, S, causal), first = ((b * T + i0) * H + h) * D;
        scoresOf(at(q, first), at(k, kv), hidden, scratch, m, n, S, D, ldq, ldk, scale);
        product(0, 1, m, n, D, 1, at(dy, first), ldq, at(v, kv), ldk, 0, slopes, S);
        for (let i: i32 = 0; i < m; i++) {
          const row = at(scratch, i * S), slope = at(slopes, i * S), seen = visible(i0 + i, T, S, causal);
          expRow(row, seen, get(logSums, (b * H + h) * T + i0 + i));
          slopeRow(row, slope, seen, scale);
          for (let j = seen; j < n; j++) { set(row, j, 0); set(slope, j, 0); }
        }
        product(1, 0, n, D, m, 1, scratch, S, at(dy, first), ldq, 1, at(dv, kv), ldk);
        product(0, 0, m, D, n, 1, slopes, S, at(k, kv), ldk, 0, at(dq, first), ldq);
        product(1, 0, n, D, m, 1, slopes, S, at(q, first), ldq, 1, at(dk, kv), ldk);
      }
  }
}
/** The slope of a row's scores from that of its probabilities p, in place: scale·p·(slope − Σ p·slope). */
function slopeRow(p: usize, slope: usize, n: i32, scale: f32): void {
  let total4 = all4(0), j: i32 = 0;
  for (; j + 4 <= n; j += 4) total4 = add4(total4, mul4(get4(p, j), get4(slope, j)));
  let total = sumLanes(total4);
  for (; j < n; j++) total += get(p, j) * get(slope, j);
  const t = all4(total), s = all4(scale);
  for (j = 0; j + 4 <= n; j += 4) set4(slope, j, mul4(mul4(s, get4(p, j)), sub4(get4(slope, j), t)));
  for (; j < n; j++) set(slope, j, scale * get(p, j) * (get(slope, j) - total));
}
