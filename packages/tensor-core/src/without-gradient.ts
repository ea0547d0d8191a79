import { engine, type Tensor } from "./ops.ts";

/**
 * Runs `f` with nothing recorded: what it makes of trained tensors is a constant, as after PyTorch's `detach`.
 *
 * @returns what `f` returns, the caller's to dispose
 */
export function withoutGradient<T extends Tensor | readonly Tensor[]>(f: () => T): T {
  const { state } = engine();
  const depth = state.gradientDepth; // the tape is on where it is above 0
  state.gradientDepth = 0;
  try {
    return f();
  } finally {
    state.gradientDepth = depth;
  }
}
