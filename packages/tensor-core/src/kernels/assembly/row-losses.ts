// Cross-entropy and forward KL of the same rows in one pass; the student's logits become their gradient in place.
import { add4, all4, at, exp1, exp4, get, get4, log1, mul4, rowMax, set, set4, sub4, sumLanes } from "./simd";

/** Σ exp(invT·x − m) over a row; exponentials are stored at `out` when it is not 0. */
function expSum(x: usize, out: usize, n: i32, invT: f32, m: f32): f32 {
  const iv = all4(invT), mv = all4(m);
  let s = all4(0), j: i32 = 0;
  for (; j + 4 <= n; j += 4) { const e = exp4(sub4(mul4(iv, get4(x, j)), mv)); if (out != 0) set4(out, j, e); s = add4(s, e); }
  let t = sumLanes(s);
  for (; j < n; j++) { const e = exp1(invT * get(x, j) - m); if (out != 0) set(out, j, e); t += e; }
  return t;
}
/**
 * s: student logits [R, V] (replaced by d loss / d logits); t: teacher logits [R, Vt] or 0; labels: int32 [R] or 0; weights: [R] or 0.
 * Rows r0…r1. terms: two float64, Σ ceWeight·w·ce and Σ klWeight·T²·w·KL, added to, and V floats of scratch after them. The KL reads the
 * first min(V, Vt) ids.
 */
export function ceKlRows(s: usize, t: usize, labels: usize, weights: usize, terms: usize, V: i32, Vt: i32, temperature: f32, ceWeight: f32, klWeight: f32, r0: i32, r1: i32): void {
  const scratch = terms + 16;
  const common = min(V, Vt), invT: f32 = 1 / temperature;
  let ce: f64 = 0, kl: f64 = 0;
  for (let r = r0; r < r1; r++) {
    const row = at(s, r * V), w: f32 = weights == 0 ? 1 : get(weights, r);
    const label = labels == 0 ? -1 : load<i32>(at(labels, r));
    // KL first, into scratch: softmax(s/T) − softmax(t/T) over the common ids
    const hasKl = t != 0 && klWeight != 0;
    let klScale: f32 = 0;
    if (hasKl) {
      const teacher = at(t, r * Vt), ms: f32 = rowMax(row, common) * invT, mt: f32 = rowMax(teacher, common) * invT;
      const sum_s = expSum(row, scratch, common, invT, ms);
      let dd = all4(0), j: i32 = 0;
      const iv = all4(invT), msv = all4(ms), mtv = all4(mt);
      const zt = expSum(teacher, 0, common, invT, mt), rs = all4(1 / sum_s), rt = all4(1 / zt);
      for (; j + 4 <= common; j += 4) {
        const x = sub4(mul4(iv, get4(row, j)), msv), y = sub4(mul4(iv, get4(teacher, j)), mtv), e = mul4(exp4(y), rt);
        dd = add4(dd, mul4(e, sub4(y, x)));
        set4(scratch, j, sub4(mul4(get4(scratch, j), rs), e));
      }
      let d: f32 = sumLanes(dd);
      for (; j < common; j++) {
        const x: f32 = get(row, j) * invT - ms, y: f32 = get(teacher, j) * invT - mt, e: f32 = exp1(y) / zt;
        d += e * (y - x);
        set(scratch, j, get(scratch, j) / sum_s - e);
      }
      const scale: f32 = klWeight * temperature * temperature * w;
      kl += <f64>scale * (<f64>d - <f64>log1(zt) + <f64>log1(sum_s));
      klScale = scale * invT;
    }
    if (label >= 0 && ceWeight != 0) {
      const m = rowMax(row, V), x = get(row, label), total = expSum(row, row, V, 1, m), scale: f32 = ceWeight * w, k = scale / total, kv = all4(k);
      ce += <f64>scale * (<f64>log1(total) + <f64>m - <f64>x);
      let j: i32 = 0;
      for (; j + 4 <= V; j += 4) set4(row, j, mul4(kv, get4(row, j)));
      for (; j < V; j++) set(row, j, k * get(row, j));
      set(row, label, get(row, label) - scale);
    } else memory.fill(row, 0, <usize>V << 2);
    if (hasKl) {
      const c = all4(klScale);
      let j: i32 = 0;
      for (; j + 4 <= common; j += 4) set4(row, j, add4(get4(row, j), mul4(c, get4(scratch, j))));
      for (; j < common; j++) set(row, j, get(row, j) + klScale * get(scratch, j));
    }
  }
  store<f64>(terms, load<f64>(terms) + ce);
  store<f64>(terms + 8, load<f64>(terms + 8) + kl);
}
