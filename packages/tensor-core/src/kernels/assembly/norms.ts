import { add4, all4, at, get, get4, mul4, set, set4, sub4, sumLanes, dot } from "./simd";

export function rmsFwd(x: usize, g: usize, y: usize, inverse: usize, d: i32, epsilon: f32, r0: i32, r1: i32): void {
  for (let r = r0; r < r1; r++) {
    const xr = at(x, r * d), yr = at(y, r * d);
    const k: f32 = 1 / sqrt<f32>(dot(xr, xr, d) / <f32>d + epsilon);
    set(inverse, r, k);
    const kv = all4(k);
    let i: i32 = 0;
    for (; i + 4 <= d; i += 4) set4(yr, i, mul4(mul4(get4(xr, i), kv), get4(g, i)));
    for (; i < d; i++) set(yr, i, get(xr, i) * k * get(g, i));
  }
}
/** dg accumulates: zeroed by the caller. */
export function rmsBwd(dy: usize, x: usize, g: usize, inverse: usize, dx: usize, dg: usize, d: i32, r0: i32, r1: i32): void {
  for (let r = r0; r < r1; r++) {
    const xr = at(x, r * d), yr = at(dy, r * d), o = at(dx, r * d);
    const k = get(inverse, r), kv = all4(k);
    let s = all4(0), i: i32 = 0;
    for (; i + 4 <= d; i += 4) {
      const xy = mul4(get4(xr, i), get4(yr, i));
      s = add4(s, mul4(xy, get4(g, i)));
      set4(dg, i, add4(get4(dg, i), mul4(xy, kv)));
    }
    let t = sumLanes(s);
    for (; i < d; i++) {
      const xy = get(xr, i) * get(yr, i);
      t += xy * get(g, i);
      set(dg, i, get(dg, i) + xy * k);
    }
    const c: f32 = t * k * k * k / <f32>d, cv = all4(c);
    for (i = 0; i + 4 <= d; i += 4) set4(o, i, sub4(mul4(mul4(get4(yr, i), get4(g, i)), kv), mul4(cv, get4(xr, i))));
    for (; i < d; i++) set(o, i, get(yr, i) * get(g, i) * k - c * get(xr, i));
  }
}
/** statistics: [rows, 2] = mean, 1 / standard deviation */
export function layerNormFwd(x: usize, g: usize, b: usize, y: usize, statistics: usize, d: i32, epsilon: f32, r0: i32, r1: i32): void {
  for (let r = r0; r < r1; r++) {
    const xr = at(x, r * d), yr = at(y, r * d);
    let s = all4(0), i: i32 = 0;
    for (; i + 4 <= d; i += 4) s = add4(s, get4(xr, i));
    let m = sumLanes(s);
    for (; i < d; i++) m += get(xr, i);
    m /= <f32>d;
    const mv = all4(m);
    s = all4(0);
    for (i = 0; i + 4 <= d; i += 4) { const c = sub4(get4(xr, i), mv); s = add4(s, mul4(c, c)); }
    let v = sumLanes(s);
    for (; i < d; i++) { const c = get(xr, i) - m; v += c * c; }
    const k: f32 = 1 / sqrt<f32>(v / <f32>d + epsilon), kv = all4(k);
    set(statistics, 2 * r, m);
    set(statistics, 2 * r + 1, k);
    for (i = 0; i + 4 <= d; i += 4) set4(yr, i, add4(mul4(mul4(sub4(get4(xr, i), mv), kv), get4(g, i)), get4(b, i)));
    for (; i < d; i++) set(yr, i, (get(xr, i) - m) * k * get(g, i) + get(b, i));
  }
}
/** dgdb: [2, d], accumulates: zeroed by the caller. */
export function layerNormBwd(dy: usize, x: usize, g: usize, statistics: usize, dx: usize, dgdb: usize, d: i32, r0: i32, r1: i32): void {
  const dg = dgdb, db = at(dgdb, d);
  for (let r = r0; r < r1; r++) {
    const xr = at(x, r * d), yr = at(dy, r * d), o = at(dx, r * d);
    const m = get(statistics, 2 * r), k = get(statistics, 2 * r + 1), mv = all4(m), kv = all4(k);
    let s = all4(0), q = all4(0), i: i32 = 0;
    for (; i + 4 <= d; i += 4) {
      const dyv = get4(yr, i), n = mul4(sub4(get4(xr, i), mv), kv), w = mul4(dyv, get4(g, i));
      s = add4(s, w);
      q = add4(q, mul4(w, n));
      set4(dg, i, add4(get4(dg, i), mul4(dyv, n)));
      set4(db, i, add4(get4(db, i), dyv));
    }
    let sw = sumLanes(s), sn = sumLanes(q);
    for (; i < d; i++) {
      const n = (get(xr, i) - m) * k, w = get(yr, i) * get(g, i);
      sw += w;
      sn += w * n;
      set(dg, i, get(dg, i) + get(yr, i) * n);
      set(db, i, get(db, i) + get(yr, i));
    }
    sw /= <f32>d;
    sn /= <f32>d;
    const swv = all4(sw), snv = all4(sn);
    for (i = 0; i + 4 <= d; i += 4) {
      const n = mul4(sub4(get4(xr, i), mv), kv);
      set4(o, i, mul4(kv, sub4(sub4(mul4(get4(yr, i), get4(g, i)), swv), mul4(n, snv))));
    }
    for (; i < d; i++) set(o, i, k * (get(yr, i) * get(g, i) - sw - (get(xr, i) - m) * k * sn));
  }
}
