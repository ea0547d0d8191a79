import {
  add,
  matMul,
  mul,
  type Params,
  type Tensor,
  type Tensor2D,
  tidy,
  Variable,
  variable,
  widen,
} from "@kd/tensor-core";
import type { Slm } from "./adapter.ts";
import { loraScale } from "./config.ts";

/**
 * The same model without adapters: `W + scale · B · A` in place of each adapted W. Those weights are new, variables where W was one, and the
 * caller's to dispose; the others are shared with the argument. Weights that were kept in 16 bits become float32.
 */
export function mergeAdapter(model: Slm): Slm {
  const { config, params } = model;
  const { lora, ...plain } = config;
  const merged: Params = new Map();
  for (const [name, value] of params) {
    if (/\.lora_[AB]\.weight$/.test(name)) continue;
    const linear = name.replace(/\.weight$/, "");
    const [a, b] = [params.get(`${linear}.lora_A.weight`), params.get(`${linear}.lora_B.weight`)];
    const adapted = lora !== undefined && a !== undefined && b !== undefined;
    merged.set(name, adapted ? sum(value, b as Tensor2D, a as Tensor2D, loraScale(lora)) : value);
  }
  return { ...model, config: plain, params: merged };
}

function sum(weight: Tensor, b: Tensor2D, a: Tensor2D, scale: number): Tensor {
  const value = tidy(() => add(widen(weight), mul(matMul(b, a), scale)));
  if (!(weight instanceof Variable)) return value;
  const trained = variable(value);
  value.dispose();
  return trained;
}
