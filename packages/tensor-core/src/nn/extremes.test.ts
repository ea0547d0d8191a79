import { beforeAll, describe, expect, it } from "vitest";
import { engines, valuesOf } from "../../test/engines.ts";
import {
  createRng,
  gelu,
  grads,
  mul,
  rmsNorm,
  sum,
  swiglu,
  type Tensor,
  type Tensor1D,
  tensor,
  useBackend,
} from "../index.ts";

/** Both signs of ten numbers an exponent, the ends among them; a length that leaves a kernel's scalar tail. */
function everyExponent(): Float32Array {
  const rng = createRng(5);
  const sizes = Array.from({ length: 2540 }, (_, i) => 2 ** (Math.floor(i / 10) - 126) * (1 + rng.next() * 0.999));
  const ends = [0, 2 ** -149, 1e30, 1e38, 2e38, 2 ** 127 * (2 - 2 ** -23), 19, 20, 21, 87.3, 88, 88.3, 88.7, 103.9];
  return Float32Array.from([...sizes, ...ends].flatMap((size) => [size, -size]).concat(1));
}

/** Φ(x) by its series near 0 and its continued fraction beyond, in float64. */
function normalCdf(x: number): number {
  if (Math.abs(x) > 40) return x > 0 ? 1 : 0;
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  if (Math.abs(x) < 3) {
    let [sum, term] = [x, x];
    for (let n = 3; n < 100; n += 2) {
      term *= (x * x) / n;
      sum += term;
    }
    return 0.5 + density * sum;
  }
  let fraction = Math.abs(x);
  for (let n = 60; n > 0; n--) fraction = Math.abs(x) + n / fraction;
  return x > 0 ? 1 - density / fraction : density / fraction;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** x · sigmoid(c · x) and its slope. */
const gated = (c: number) => ({
  value: (x: number) => x * sigmoid(c * x),
  slope: (x: number) => sigmoid(c * x) * (1 + c * x * sigmoid(-c * x)),
});
const silu = gated(1);
const ROOT = Math.sqrt(2 / Math.PI);
const inner = (x: number): number => Math.tanh(ROOT * x * (1 + 0.044715 * x * x));
/** Each as an operation of x and ones, and what it is by its definition. */
const ACTIVATIONS = {
  swiglu: { run: (x: Tensor, ones: Tensor) => swiglu(x, ones), ...silu },
  "gelu quick": { run: (x: Tensor) => gelu(x, { approximate: "quick" }), ...gated(1.702) },
  gelu: {
    run: (x: Tensor) => gelu(x),
    value: (x: number) => x * normalCdf(x),
    slope: (x: number) => normalCdf(x) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI),
  },
  "gelu tanh": {
    run: (x: Tensor) => gelu(x, { approximate: "tanh" }),
    value: (x: number) => 0.5 * x * (1 + inner(x)),
    slope: (x: number) => {
      const steep = Math.abs(x) > 40 ? 0 : (1 - inner(x) ** 2) * ROOT * (1 + 3 * 0.044715 * x * x);
      return 0.5 * (1 + inner(x) + x * steep);
    },
  },
};

describe.each(engines)("operations at their ends on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it("give SwiGLU and its gradient from one end of float32's exponentials to the other", async () => {
    const gate = Float32Array.from({ length: 4003 }, (_, i) => (i - 2001) / 20);
    gate.set([-1e4, 1e4, -1e30, 1e30, -0, 0]);
    const [x, up] = [tensor(gate), tensor(Float32Array.from(gate, () => 3))];
    const y = await valuesOf(() => swiglu(x, up));
    const [dGate, dUp] = grads((a, b) => sum(swiglu(a as Tensor, b as Tensor)))([x, up]) as [Tensor, Tensor];
    const [slopes, silus] = [await valuesOf(dGate), await valuesOf(dUp)];
    for (const [i, a] of gate.entries()) {
      const s = 1 / (1 + Math.exp(-a));
      const near = 1e-6 + 2e-6 * Math.abs(a * s);
      expect(Math.abs((silus[i] as number) - a * s), `silu(${a})`).toBeLessThanOrEqual(near);
      expect(Math.abs((y[i] as number) - 3 * a * s), `swiglu(${a}, 3)`).toBeLessThanOrEqual(3 * near);
      const slope = Math.abs(a) > 1e3 ? s : s * (1 + a * (1 - s));
      expect(Math.abs((slopes[i] as number) - 3 * slope), `slope at ${a}`).toBeLessThanOrEqual(5e-5);
    }
    for (const t of [x, up, dGate, dUp]) t.dispose();
  });

  it("give SwiGLU and GELUs with their slopes at every exponent of float32, and their limits at its ends", async () => {
    const xs = everyExponent();
    const [x, ones] = [tensor(xs), tensor(xs.map(() => 1))];
    for (const [name, { run, value, slope }] of Object.entries(ACTIVATIONS)) {
      const f = (t: Tensor) => run(t, ones);
      const [ys, slopes] = [
        await valuesOf(() => f(x)),
        await valuesOf(() => grads((t) => sum(f(t as Tensor)))([x])[0] as Tensor),
      ];
      for (const [i, a] of xs.entries()) {
        const [y, dy] = [value(a), slope(a)];
        expect(Math.abs((ys[i] as number) - y), `${name}(${a}) = ${ys[i]}, not ${y}`).toBeLessThanOrEqual(
          3e-6 * Math.max(1, Math.abs(y)),
        );
        expect(
          Math.abs((slopes[i] as number) - dy),
          `slope of ${name} at ${a} = ${slopes[i]}, not ${dy}`,
        ).toBeLessThanOrEqual(2e-5);
      }
    }
    const [dUp] = grads((up) => sum(swiglu(x, up as Tensor)))([ones]) as [Tensor];
    for (const [i, value] of (await valuesOf(dUp)).entries())
      expect(Math.abs(value - silu.value(xs[i] as number))).toBeLessThanOrEqual(3e-6 * Math.max(1, Math.abs(value)));
    for (const t of [x, ones, dUp]) t.dispose();
  });

  it.runIf(engine === "tensorflow")("give RMSNorm's gradients over so many rows that threads share them", async () => {
    const [rows, width] = [4100, 1030];
    const rng = createRng(11);
    const make = (size: number) => Float32Array.from({ length: size }, () => rng.normal());
    const [xs, ds, ws] = [make(rows * width), make(rows * width), make(width)];
    const [x, w, dy] = [tensor(xs, [rows, width]), tensor(ws), tensor(ds, [rows, width])];
    const loss = (a: Tensor, b: Tensor) => sum(mul(rmsNorm(a, b as Tensor1D), dy));
    const [dx, dw] = grads(loss as never)([x, w]) as [Tensor, Tensor];
    const [gx, gw] = [await valuesOf(dx), await valuesOf(dw)];
    const expected = new Float64Array(width);
    let worst = 0;
    for (let row = 0; row < rows; row++) {
      const at = (values: Float32Array, j: number) => values[row * width + j] as number;
      let [squares, dot] = [0, 0];
      for (let j = 0; j < width; j++) squares += at(xs, j) ** 2;
      const r = 1 / Math.sqrt(squares / width + 1e-6);
      for (let j = 0; j < width; j++) {
        const both = at(ds, j) * at(xs, j) * r;
        expected[j] = (expected[j] as number) + both;
        dot += (both * (ws[j] as number)) / width;
      }
      for (let j = 0; j < width; j++) {
        const own = r * (at(ds, j) * (ws[j] as number) - at(xs, j) * r * dot);
        worst = Math.max(worst, Math.abs(at(gx, j) - own));
      }
    }
    expect(worst).toBeLessThan(2e-5);
    for (const [j, value] of gw.entries()) expect(Math.abs(value - (expected[j] as number))).toBeLessThan(2e-3); // of sums near 64
    for (const t of [x, w, dy, dx, dw]) t.dispose();
  });
});
