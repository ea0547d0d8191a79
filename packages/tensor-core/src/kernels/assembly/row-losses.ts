// Cross-entropy and a divergence of the same rows in one pass; the student's logits become their gradient in place.
import { BLOCK, forwardLoop, mixtureLoop, pairLoop, sumOfH, variationLoop } from "./divergences";
import { add4, all4, at, axpy, exp1, exp4, get, get4, lanes, log64, mul4, rowMax, set, set4, sub4 } from "./simd";

/** Σ exp(invT·(x − m)) over a row, whose exponentials are stored at `out`. */
function expSum(x: usize, out: usize, n: i32, invT: f32, m: f32): f64 {
  const iv = all4(invT), mv = all4(m), whole = n & ~3;
  let total: f64 = 0, j: i32 = 0;
  while (j < whole) {
    const end = min(j + BLOCK, whole);
    let s = all4(0);
    for (; j < end; j += 4) { const e = exp4(mul4(iv, sub4(get4(x, j), mv))); set4(out, j, e); s = add4(s, e); }
    total += lanes(s);
  }
  for (; j < n; j++) { const e = exp1(invT * (get(x, j) - m)); set(out, j, e); total += e; }
  return total;
}
/** Σ e·(x − m) */
function weightedSum(e: usize, x: usize, n: i32, m: f32): f64 {
  const mv = all4(m), whole = n & ~3;
  let total: f64 = 0, j: i32 = 0;
  while (j < whole) {
    const end = min(j + BLOCK, whole);
    let s = all4(0);
    for (; j < end; j += 4) s = add4(s, mul4(get4(e, j), sub4(get4(x, j), mv)));
    total += lanes(s);
  }
  for (; j < n; j++) total += get(e, j) * (get(x, j) - m);
  return total;
}
/** u[j] = invT·((t[j] − mt) − (s[j] − ms)) */
function difference(u: usize, s: usize, t: usize, n: i32, invT: f32, ms: f32, mt: f32): void {
  const iv = all4(invT), msv = all4(ms), mtv = all4(mt);
  let j: i32 = 0;
  for (; j + 4 <= n; j += 4) set4(u, j, mul4(iv, sub4(sub4(get4(t, j), mtv), sub4(get4(s, j), msv))));
  for (; j < n; j++) set(u, j, invT * (get(t, j) - mt - (get(s, j) - ms)));
}
/** Adds scale·ce of one row's label and returns it; the row becomes scale·(softmax − one-hot), or 0 without a label. */
function crossEntropyRow(row: usize, V: i32, label: i32, scale: f32): f64 {
  if (label < 0 || scale == 0) {
    memory.fill(row, 0, <usize>V << 2);
    return 0;
  }
  const m = rowMax(row, V), x = get(row, label), total = expSum(row, row, V, 1, m), k = scale / <f32>total, kv = all4(k);
  let j: i32 = 0;
  for (; j + 4 <= V; j += 4) set4(row, j, mul4(kv, get4(row, j)));
  for (; j < V; j++) set(row, j, k * get(row, j));
  set(row, label, get(row, label) - scale);
  return <f64>scale * (log64(total) + <f64>m - <f64>x);
}
@inline function addTo(terms: usize, x: f64): void { store<f64>(terms, load<f64>(terms) + x); }

/**
 * s: student logits [R, V] (replaced by d loss / d logits); t: teacher logits [R, Vt] or 0; labels: int32 [R] or 0; weights: [R] or 0.
 * Rows r0…r1. terms: two float64, Σ ceWeight·w·ce and Σ klWeight·T²·w·divergence, added to, and 3 rows of `common` floats, each rounded up to
 * a multiple of 4, of scratch after them. The divergence reads the first `common` ids. loop: 0 forward KL, 1 forward KL without the teacher's
 * entropy, 2 a·KL(p ‖ q) + b·KL(q ‖ p), 3 a·KL(p ‖ m) + b·KL(q ‖ m) with m = share·p + rest·q, 4 total variation.
 */
export function rowLosses(
  s: usize, t: usize, labels: usize, weights: usize, terms: usize, V: i32, Vt: i32, common: i32, temperature: f32, ceWeight: f32, klWeight: f32,
  loop: i32, a: f32, b: f32, share: f32, rest: f32, r0: i32, r1: i32,
): void {
  const n4 = (common + 3) & ~3, q = terms + 16, p = at(q, n4), u = at(p, n4), invT: f32 = 1 / temperature;
  if (t != 0) for (let j = common; j < n4; j++) { set(q, j, 0); set(p, j, 0); set(u, j, 0); }
  let ce: f64 = 0, kl: f64 = 0;
  for (let r = r0; r < r1; r++) {
    const row = at(s, r * V), w: f32 = weights == 0 ? 1 : get(weights, r), label = labels == 0 ? -1 : load<i32>(at(labels, r));
    if (t == 0 || w == 0) {
      ce += crossEntropyRow(row, V, w == 0 ? -1 : label, ceWeight * w);
      continue;
    }
    const teacher = at(t, r * Vt), ms = rowMax(row, common), mt = rowMax(teacher, common);
    difference(u, row, teacher, common, invT, ms, mt);
    const qTotal = expSum(row, q, common, invT, ms), pTotal = expSum(teacher, p, common, invT, mt);
    const qScale = <f32>(1 / qTotal), pScale = <f32>(1 / pTotal), qLog = log64(qTotal), c = <f32>(log64(pTotal) - qLog);
    const cross = loop == 1 ? qLog - <f64>invT * weightedSum(p, row, common, ms) / pTotal : 0;
    let d: f64 = 0;
    if (loop <= 1) d = forwardLoop(q, p, u, n4, c, qScale, pScale);
    else if (loop == 2) d = pairLoop(q, p, u, n4, c, qScale, pScale, a, b);
    else if (loop == 3) d = mixtureLoop(q, p, u, n4, c, qScale, pScale, a, b, share, rest);
    else d = variationLoop(q, p, u, n4, c, qScale, pScale);
    if (loop == 1) d = cross;
    const scale: f32 = klWeight * temperature * temperature * w;
    kl += <f64>scale * d;
    ce += crossEntropyRow(row, V, label, ceWeight * w);
    axpy(row, p, scale * invT, common);
    if (loop > 1) axpy(row, q, <f32>(-sumOfH()) * qScale * scale * invT, common);
  }
  addTo(terms, ce);
  addTo(terms + 8, kl);
}
/**
 * The same with k of the teacher's log-probabilities a row (ids int32 and logProbs, [R, k]) and one outcome for all others, whose mass is
 * `tails` [R]. terms: two float64, then `common` and k floats of scratch, each rounded up to a multiple of 4.
 */
export function topKLosses(
  s: usize, ids: usize, logProbs: usize, tails: usize, labels: usize, weights: usize, terms: usize, V: i32, common: i32, k: i32, temperature: f32,
  ceWeight: f32, klWeight: f32, r0: i32, r1: i32,
): void {
  const others = terms + 16, own = at(others, (common + 3) & ~3), invT: f32 = 1 / temperature;
  let ce: f64 = 0, kl: f64 = 0;
  for (let r = r0; r < r1; r++) {
    const row = at(s, r * V), w: f32 = weights == 0 ? 1 : get(weights, r), label = labels == 0 ? -1 : load<i32>(at(labels, r));
    if (w == 0) {
      crossEntropyRow(row, V, -1, 0);
      continue;
    }
    const id = at(ids, r * k), logP = at(logProbs, r * k), tail: f64 = k < common ? get(tails, r) : 0;
    memory.copy(others, row, <usize>common << 2);
    for (let i: i32 = 0; i < k; i++) {
      set(own, i, get(row, load<i32>(at(id, i))));
      set(others, load<i32>(at(id, i)), -3e38);
    }
    // log of both sums of exponentials, above their own maxima: the rest may be far below the k
    const mOwn = rowMax(own, k), mOthers: f32 = k < common ? rowMax(others, common) : mOwn, m = max(mOwn, mOthers);
    let total: f64 = 0;
    for (let i: i32 = 0; i < k; i++) total += exp1(invT * (get(own, i) - m));
    const rest = k < common ? expSum(others, others, common, invT, mOthers) : 0;
    const logTotal = log64(total + rest * <f64>exp1(invT * (mOthers - m)));
    const logRest = <f64>invT * (<f64>mOthers - <f64>m) + log64(max(rest, 1)) - logTotal;
    let d: f64 = tail > 0 ? tail * (log64(tail) - logRest) : 0, mass = tail;
    for (let i: i32 = 0; i < k; i++) mass += exp1(get(logP, i));
    const scale: f32 = klWeight * temperature * temperature * w, step = scale * invT;
    for (let i: i32 = 0; i < k; i++) {
      const l = get(logP, i), p: f64 = exp1(l), logQ = <f64>invT * (<f64>get(own, i) - <f64>m) - logTotal;
      d += p * (<f64>l - logQ);
      set(own, i, step * <f32>(mass * <f64>exp1(<f32>logQ) - p));
    }
    kl += <f64>scale * d;
    ce += crossEntropyRow(row, V, label, ceWeight * w);
    if (k < common) axpy(row, others, step * <f32>((mass * <f64>exp1(<f32>logRest) - tail) / rest), common);
    for (let i: i32 = 0; i < k; i++) {
      const j = load<i32>(at(id, i));
      set(row, j, get(row, j) + get(own, i));
    }
  }
  addTo(terms, ce);
  addTo(terms + 8, kl);
}
