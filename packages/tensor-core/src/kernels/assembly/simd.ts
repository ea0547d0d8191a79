// Four-lane helpers. Rows may have any length: a vector body, then a scalar tail.
@external("env", "log") declare function hostLog(x: f64): f64;

@inline export function log1(x: f32): f32 { return <f32>hostLog(<f64>x); }
@inline export function at(base: usize, i: i32): usize { return base + (<usize>i << 2); }
@inline export function get(base: usize, i: i32): f32 { return load<f32>(at(base, i)); }
@inline export function set(base: usize, i: i32, x: f32): void { store<f32>(at(base, i), x); }
@inline export function get4(base: usize, i: i32): v128 { return v128.load(at(base, i)); }
@inline export function set4(base: usize, i: i32, x: v128): void { v128.store(at(base, i), x); }
@inline export function add4(a: v128, b: v128): v128 { return f32x4.add(a, b); }
@inline export function sub4(a: v128, b: v128): v128 { return f32x4.sub(a, b); }
@inline export function mul4(a: v128, b: v128): v128 { return f32x4.mul(a, b); }
@inline export function all4(x: f32): v128 { return f32x4.splat(x); }

@inline export function sumLanes(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3);
}
@inline export function maxLanes(v: v128): f32 {
  return max(max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)), max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)));
}

// exp by range reduction to [-ln2/2, ln2/2] and a degree-7 polynomial; relative error about 1e-7.
@inline export function exp4(x: v128): v128 {
  x = f32x4.pmax(all4(-87.3), f32x4.pmin(all4(88.3), x));
  const n = f32x4.nearest(mul4(x, all4(1.44269504)));
  let r = sub4(x, mul4(n, all4(0.693359375)));
  r = add4(r, mul4(n, all4(2.12194440e-4)));
  let p = all4(1.9875691500e-4);
  p = add4(mul4(p, r), all4(1.3981999507e-3));
  p = add4(mul4(p, r), all4(8.3334519073e-3));
  p = add4(mul4(p, r), all4(4.1665795894e-2));
  p = add4(mul4(p, r), all4(1.6666665459e-1));
  p = add4(mul4(p, r), all4(5.0000001201e-1));
  p = add4(mul4(p, mul4(r, r)), add4(r, all4(1)));
  return mul4(p, i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23));
}
@inline export function exp1(x: f32): f32 { return f32x4.extract_lane(exp4(all4(x)), 0); }

export function rowMax(x: usize, n: i32): f32 {
  let m = all4(-Infinity);
  let j: i32 = 0;
  for (; j + 4 <= n; j += 4) m = f32x4.pmax(m, get4(x, j));
  let r = maxLanes(m);
  for (; j < n; j++) r = max(r, get(x, j));
  return r;
}
export function dot(a: usize, b: usize, n: i32): f32 {
  let s = all4(0);
  let j: i32 = 0;
  for (; j + 4 <= n; j += 4) s = add4(s, mul4(get4(a, j), get4(b, j)));
  let r = sumLanes(s);
  for (; j < n; j++) r += get(a, j) * get(b, j);
  return r;
}
/** y += c·x */
export function axpy(y: usize, x: usize, c: f32, n: i32): void {
  const cv = all4(c);
  let j: i32 = 0;
  for (; j + 4 <= n; j += 4) set4(y, j, add4(get4(y, j), mul4(cv, get4(x, j))));
  for (; j < n; j++) set(y, j, get(y, j) + c * get(x, j));
}
