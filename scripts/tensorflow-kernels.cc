// Operations of a training step as kernels inside TensorFlow, on its CPU: what takes 4 to 12 of its own operations takes one of these, in
// one or two passes over memory. The set-up (setup-tfjs-node.mjs) compiles this into tfjs-node's addon; tensor-core calls them by name
// where they are and composes TensorFlow's own where they are not. KD_TENSORFLOW_KERNELS=off leaves them out of a process.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_buffer.h"
#include "tensorflow/c/tf_status.h"
#include "tensorflow/c/tf_tensor.h"

// From tensorflow/c/kernels.h, which includes headers that only the wheel has.
extern "C" {
struct TF_OpKernelContext;
struct TF_OpKernelConstruction;
struct TF_KernelBuilder;
TF_KernelBuilder* TF_NewKernelBuilder(const char* op, const char* device, void* (*create)(TF_OpKernelConstruction*),
                                      void (*compute)(void*, TF_OpKernelContext*), void (*remove)(void*));
void TF_RegisterKernelBuilder(const char* kernel, TF_KernelBuilder*, TF_Status*);
TF_Buffer* TF_GetRegisteredKernelsForOp(const char* op, TF_Status*);
void TF_GetInput(TF_OpKernelContext*, int i, TF_Tensor**, TF_Status*);
TF_Tensor* TF_AllocateOutput(TF_OpKernelContext*, int i, TF_DataType, const int64_t* dims, int count, size_t bytes,
                             TF_Status*);
void TF_OpKernelContext_Failure(TF_OpKernelContext*, TF_Status*);
}

namespace {

struct Failed : std::exception {};

/** Inputs and outputs of one call, freed with it. */
class Call {
 public:
  explicit Call(TF_OpKernelContext* context) : context_(context) {}
  ~Call() {
    for (TF_Tensor* tensor : held_) TF_DeleteTensor(tensor);
    TF_DeleteStatus(status_);
  }
  template <class T = float>
  const T* in(int i) {
    return static_cast<const T*>(TF_TensorData(input(i)));
  }
  int64_t size(int i) { return TF_TensorElementCount(input(i)); }
  int64_t dim(int i, int axis) { return TF_Dim(input(i), axis < 0 ? axis + TF_NumDims(input(i)) : axis); }
  /** Of all axes but the last. */
  int64_t rows(int i) { return dim(i, -1) == 0 ? 0 : size(i) / dim(i, -1); }
  float* out(int i, const std::vector<int64_t>& shape) {
    int64_t size = 1;
    for (int64_t n : shape) size *= n;
    TF_Tensor* tensor = TF_AllocateOutput(context_, i, TF_FLOAT, shape.data(), static_cast<int>(shape.size()),
                                          size * sizeof(float), status_);
    check();
    held_.push_back(tensor);
    return static_cast<float*>(TF_TensorData(tensor));
  }
  float* outLike(int i, int input_) {
    std::vector<int64_t> shape(TF_NumDims(input(input_)));
    for (size_t axis = 0; axis < shape.size(); axis++) shape[axis] = dim(input_, static_cast<int>(axis));
    return out(i, shape);
  }
  [[noreturn]] void fail(const std::string& message) {
    TF_SetStatus(status_, TF_INVALID_ARGUMENT, message.c_str());
    throw Failed();
  }
  void report(const char* message) {
    if (message != nullptr) TF_SetStatus(status_, TF_INTERNAL, message);
    TF_OpKernelContext_Failure(context_, status_);
  }

 private:
  TF_Tensor* input(int i) {
    if (static_cast<size_t>(i) >= inputs_.size()) inputs_.resize(i + 1);
    if (inputs_[i] == nullptr) {
      TF_GetInput(context_, i, &inputs_[i], status_);
      check();
      held_.push_back(inputs_[i]);
    }
    return inputs_[i];
  }
  void check() {
    if (TF_GetCode(status_) != TF_OK) throw Failed();
  }
  TF_OpKernelContext* context_;
  TF_Status* status_ = TF_NewStatus();
  std::vector<TF_Tensor*> inputs_, held_;
};

int64_t threads = 1;
constexpr int64_t GRAIN = 1 << 23;  // elements a thread, times the work of one: about a millisecond, where its start takes 0.05

/** Rows in equal parts, whose number depends on sizes and threads alone: each sums in an order of its own. */
template <class Body>
void inParts(int64_t rows, int64_t work, const Body& body) {
  const int64_t count = std::max<int64_t>(1, std::min({threads, work / GRAIN, rows}));
  std::vector<std::thread> others;
  for (int64_t i = 1; i < count; i++) others.emplace_back(body, i, rows * i / count, rows * (i + 1) / count);
  body(0, 0, rows / count);
  for (std::thread& other : others) other.join();
}

template <class To, class From>
inline To bits(From from) {
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

/** e^x for x ≤ 0, relative error 1e-7; 0 below −87, where a float has no full precision left. */
inline float expOf(float x) {
  constexpr float round = 12582912;  // 1.5 · 2^23: what is added to it becomes an integer, in its lowest bits
  const float shifted = x * 1.44269504f + round;
  const float n = shifted - round;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  for (float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f}) p = p * r + c;
  p = p * (r * r) + r + 1;
  const float power = bits<float>((bits<uint32_t>(shifted) - bits<uint32_t>(round) + 127u) << 23);
  return x < -87 ? 0 : p * power;
}

inline float sigmoid(float x) {
  const float e = expOf(-std::fabs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

/** x, weight, epsilon → y, 1 / rms of each row. */
void rmsNorm(Call& call) {
  const float *x = call.in(0), *weight = call.in(1), epsilon = *call.in(2);
  const int64_t rows = call.rows(0), width = call.size(1);
  float *y = call.outLike(0, 0), *inverse = call.out(1, {rows});
  inParts(rows, 2 * rows * width, [=](int64_t, int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++) {
      const float* a = x + row * width;
      float* b = y + row * width;
      float squares = 0;
#pragma omp simd reduction(+ : squares)
      for (int64_t j = 0; j < width; j++) squares += a[j] * a[j];
      const float r = inverse[row] = 1 / std::sqrt(squares / width + epsilon);
#pragma omp simd
      for (int64_t j = 0; j < width; j++) b[j] = a[j] * r * weight[j];
    }
  });
}

/** dy, x, weight, 1 / rms → gradients of x and weight. */
void rmsNormGrad(Call& call) {
  const float *dy = call.in(0), *x = call.in(1), *weight = call.in(2), *inverse = call.in(3);
  const int64_t rows = call.rows(1), width = call.size(2);
  float *dx = call.outLike(0, 1), *dWeight = call.outLike(1, 2);
  std::vector<std::vector<float>> sums(threads, std::vector<float>(width));
  inParts(rows, 4 * rows * width, [=, &sums](int64_t part, int64_t from, int64_t to) {
    float* sum = sums[part].data();
    for (int64_t row = from; row < to; row++) {
      const float *d = dy + row * width, *a = x + row * width, r = inverse[row];
      float *b = dx + row * width, dot = 0;
#pragma omp simd reduction(+ : dot)
      for (int64_t j = 0; j < width; j++) {
        const float both = d[j] * (a[j] * r);
        sum[j] += both;
        dot += both * weight[j];
      }
      const float share = dot / width;
#pragma omp simd
      for (int64_t j = 0; j < width; j++) b[j] = r * (d[j] * weight[j] - a[j] * r * share);
    }
  });
  std::fill(dWeight, dWeight + width, 0);
  for (const auto& sum : sums)
    for (int64_t j = 0; j < width; j++) dWeight[j] += sum[j];
}

/** gate, up → silu(gate) · up. */
void swiglu(Call& call) {
  const float *gate = call.in(0), *up = call.in(1);
  const int64_t size = call.size(0);
  float* y = call.outLike(0, 0);
  inParts(size, 4 * size, [=](int64_t, int64_t from, int64_t to) {
#pragma omp simd
    for (int64_t i = from; i < to; i++) y[i] = gate[i] * sigmoid(gate[i]) * up[i];
  });
}

/** dy, gate, up → gradients of gate and up. */
void swigluGrad(Call& call) {
  const float *dy = call.in(0), *gate = call.in(1), *up = call.in(2);
  const int64_t size = call.size(0);
  float *dGate = call.outLike(0, 1), *dUp = call.outLike(1, 2);
  inParts(size, 6 * size, [=](int64_t, int64_t from, int64_t to) {
#pragma omp simd
    for (int64_t i = from; i < to; i++) {
      const float s = sigmoid(gate[i]), silu = gate[i] * s;
      dGate[i] = dy[i] * up[i] * (s + silu * (1 - s));
      dUp[i] = dy[i] * silu;
    }
  });
}

/** x [B, T, H, d], cos and sin [T, d], 1 or −1 → rotated so far forward or back. */
void rope(Call& call) {
  const float *x = call.in(0), *cos = call.in(1), *sin = call.in(2), direction = *call.in(3);
  const int64_t length = call.dim(0, 1), heads = call.dim(0, 2), width = call.dim(0, 3), half = width / 2;
  float* y = call.outLike(0, 0);
  inParts(call.dim(0, 0) * length, 2 * call.size(0), [=](int64_t, int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++) {
      const float *c = cos + row % length * width, *s = sin + row % length * width;
      for (int64_t head = row * heads; head < (row + 1) * heads; head++) {
        const float* a = x + head * width;
        float* b = y + head * width;
#pragma omp simd
        for (int64_t j = 0; j < half; j++) {
          const float first = a[j], second = a[j + half];
          b[j] = first * c[j] - direction * second * s[j];
          b[j + half] = second * c[j + half] + direction * first * s[j + half];
        }
      }
    }
  });
}

/** The greatest of a row. */
inline float greatest(const float* row, int64_t width) {
  float most = -INFINITY;
#pragma omp simd reduction(max : most)
  for (int64_t j = 0; j < width; j++) most = row[j] > most ? row[j] : most;
  return most;
}

/** out = exp(row − most); gives their sum, in parts of which a float sum is exact enough. */
inline double exponentials(const float* row, float most, float* out, int64_t width) {
  double total = 0;
  for (int64_t from = 0; from < width; from += 1024) {
    const int64_t to = std::min<int64_t>(width, from + 1024);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = from; j < to; j++) sum += out[j] = expOf(row[j] - most);
    total += sum;
  }
  return total;
}

/** logits [n, V], labels [n], weights [n] → weight · (−log softmax[label]) of each row, [n, 1], and the gradient. A row of weight 0 or of a
 *  negative label gives zeros, whatever it holds. */
void crossEntropy(Call& call) {
  const float *logits = call.in(0), *weights = call.in(2);
  const int32_t* labels = call.in<int32_t>(1);
  const int64_t rows = call.size(1), width = call.dim(0, 1);
  for (int64_t row = 0; row < rows; row++)
    if (labels[row] >= width)
      call.fail("labels[" + std::to_string(row) + "] = " + std::to_string(labels[row]) + " is not in [0, " +
                std::to_string(width) + ")");  // as TensorFlow's own gather says it
  float *loss = call.out(0, {rows, 1}), *gradient = call.outLike(1, 0);
  inParts(rows, 4 * rows * width, [=](int64_t, int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++) {
      const float *a = logits + row * width, weight = weights[row];
      float* g = gradient + row * width;
      loss[row] = 0;
      if (labels[row] < 0 || weight == 0) {
        std::fill(g, g + width, 0);
        continue;
      }
      const float most = greatest(a, width);
      const double sum = exponentials(a, most, g, width);
      loss[row] = static_cast<float>(weight * (most - a[labels[row]] + std::log(sum)));
      const float scale = static_cast<float>(1 / sum);
      g[labels[row]] -= static_cast<float>(sum);
#pragma omp simd
      for (int64_t j = 0; j < width; j++) g[j] = g[j] * scale * weight;
    }
  });
}

/** scores [.., S], in order of [B, H, T, S], a mask to add, [B or 1, 1, T or 1, S] or one number, scale → softmax(scale · scores + mask). */
void attentionSoftmax(Call& call) {
  const float *scores = call.in(0), *mask = call.in(1), scale = *call.in(2);
  const int64_t rows = call.rows(0), width = call.dim(0, -1);
  const bool masked = call.size(1) > 1;
  const int64_t batch = masked ? call.dim(1, 0) : 1, length = masked ? call.dim(1, 2) : 1;
  float* p = call.outLike(0, 0);
  inParts(rows, 4 * rows * width, [=](int64_t, int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++) {
      const float *a = scores + row * width, *m = mask + (row / (rows / batch) * length + row % length) * width;
      float* b = p + row * width;
#pragma omp simd
      for (int64_t j = 0; j < width; j++) b[j] = a[j] * scale + (masked ? m[j] : 0);
      const float over = static_cast<float>(1 / exponentials(b, greatest(b, width), b, width));
#pragma omp simd
      for (int64_t j = 0; j < width; j++) b[j] *= over;
    }
  });
}

/** p, dp, scale → scale · p · (dp − Σ p · dp), the gradient of the scores. */
void attentionSoftmaxGrad(Call& call) {
  const float *p = call.in(0), *dp = call.in(1), scale = *call.in(2);
  const int64_t rows = call.rows(0), width = call.dim(0, -1);
  float* ds = call.outLike(0, 0);
  inParts(rows, 2 * rows * width, [=](int64_t, int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++) {
      const float *a = p + row * width, *d = dp + row * width;
      float *b = ds + row * width, dot = 0;
#pragma omp simd reduction(+ : dot)
      for (int64_t j = 0; j < width; j++) dot += a[j] * d[j];
#pragma omp simd
      for (int64_t j = 0; j < width; j++) b[j] = scale * a[j] * (d[j] - dot);
    }
  });
}

/** x, seen as [B, M, N, d], shape → [B, N, M, d] in that shape: heads before positions, or back. */
void swapMiddle(Call& call) {
  const float* x = call.in(0);
  const int32_t *view = call.in<int32_t>(1), *shape = call.in<int32_t>(2);
  const int64_t m = view[1], n = view[2], width = view[3];
  if (view[0] * m * n * width != call.size(0)) call.fail("the view has another size than x");
  float* y = call.out(0, std::vector<int64_t>(shape, shape + call.size(2)));
  inParts(view[0] * n, call.size(0), [=](int64_t, int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++)
      for (int64_t i = 0; i < m; i++)
        std::memcpy(y + (row * m + i) * width, x + ((row / n * m + i) * n + row % n) * width, width * sizeof(float));
  });
}

/** param, gradient, m, v, rates, factor of the decay → param, m, v. */
void adamW(Call& call) {
  const float *param = call.in(0), *gradient = call.in(1), *m = call.in(2), *v = call.in(3), *rates = call.in(4);
  const float beta1 = rates[0], rest1 = rates[1], beta2 = rates[2], rest2 = rates[3], rate = rates[4];
  const float correction = rates[5], epsilon = rates[6], scale = rates[7], decay = *call.in(5);
  float *p1 = call.outLike(0, 0), *m1 = call.outLike(1, 2), *v1 = call.outLike(2, 3);
  const int64_t size = call.size(0);
  inParts(size, 3 * size, [=](int64_t, int64_t from, int64_t to) {
#pragma omp simd
    for (int64_t i = from; i < to; i++) {
      const float g = gradient[i] * scale;
      m1[i] = beta1 * m[i] + rest1 * g;
      v1[i] = beta2 * v[i] + rest2 * g * g;
      p1[i] = param[i] * decay - rate * m1[i] / (std::sqrt(v1[i]) * correction + epsilon);
    }
  });
}

/** Answers whoever asks whether all of them are there, in this version. */
void version(Call& call) { *call.out(0, {}) = 1; }

template <void (*body)(Call&)>
void compute(void*, TF_OpKernelContext* context) {
  Call call(context);
  try {
    body(call);
  } catch (const Failed&) {
    call.report(nullptr);
  } catch (const std::exception& error) {  // out of memory or threads
    call.report(error.what());
  }
}

struct Operation {
  const char* name;
  std::vector<const char*> inputs, outputs;
  void (*compute)(void*, TF_OpKernelContext*);
};

#define F(name) name ": float"
const std::vector<Operation> OPERATIONS = {
    {"KdRmsNorm", {F("x"), F("weight"), F("epsilon")}, {F("y"), F("inverse")}, compute<rmsNorm>},
    {"KdRmsNormGrad", {F("dy"), F("x"), F("weight"), F("inverse")}, {F("dx"), F("dweight")}, compute<rmsNormGrad>},
    {"KdSwiglu", {F("gate"), F("up")}, {F("y")}, compute<swiglu>},
    {"KdSwigluGrad", {F("dy"), F("gate"), F("up")}, {F("dgate"), F("dup")}, compute<swigluGrad>},
    {"KdRope", {F("x"), F("cos"), F("sin"), F("direction")}, {F("y")}, compute<rope>},
    {"KdCrossEntropy", {F("logits"), "labels: int32", F("weights")}, {F("loss"), F("gradient")}, compute<crossEntropy>},
    {"KdAttentionSoftmax", {F("scores"), F("mask"), F("scale")}, {F("p")}, compute<attentionSoftmax>},
    {"KdAttentionSoftmaxGrad", {F("p"), F("dp"), F("scale")}, {F("ds")}, compute<attentionSoftmaxGrad>},
    {"KdSwapMiddle", {F("x"), "view: int32", "shape: int32"}, {F("y")}, compute<swapMiddle>},
    {"KdAdamW",
     {F("param"), F("gradient"), F("m"), F("v"), F("rates"), F("decay")},
     {F("param1"), F("m1"), F("v1")},
     compute<adamW>},
    {"KdKernels1", {}, {F("version")}, compute<version>},  // the last: what is asked for
};

/** Whether they may be registered: a name that exists already would end the process, an instruction that does not exist, too. */
bool mayRegister(TF_Status* status) {
  const char* choice = std::getenv("KD_TENSORFLOW_KERNELS");
  if (choice != nullptr && std::strcmp(choice, "off") == 0) return false;
  __builtin_cpu_init();
#ifdef __AVX512F__
  if (!__builtin_cpu_supports("avx512f")) return false;  // compiled on another machine
#elif defined(__AVX2__)
  if (!__builtin_cpu_supports("avx2")) return false;
#endif
  TF_Buffer* there = TF_GetRegisteredKernelsForOp(OPERATIONS.back().name, status);
  const bool none = there == nullptr || there->length == 0;
  if (there != nullptr) TF_DeleteBuffer(there);
  return none && TF_GetCode(status) == TF_OK;
}

/** While the addon is loaded. */
const bool registered = [] {
  TF_Status* status = TF_NewStatus();
  bool good = mayRegister(status);
  const char* count = std::getenv("TF_NUM_INTRAOP_THREADS");
  threads = count != nullptr ? std::atoi(count) : 0;
  if (threads < 1) threads = std::max(1u, std::thread::hardware_concurrency());
  for (const Operation& operation : OPERATIONS) {
    if (!good) break;
    TF_OpDefinitionBuilder* definition = TF_NewOpDefinitionBuilder(operation.name);
    for (const char* input : operation.inputs) TF_OpDefinitionBuilderAddInput(definition, input);
    for (const char* output : operation.outputs) TF_OpDefinitionBuilderAddOutput(definition, output);
    TF_RegisterOpDefinition(definition, status);
    good = TF_GetCode(status) == TF_OK;
    if (!good) break;
    TF_KernelBuilder* kernel = TF_NewKernelBuilder(operation.name, "CPU", nullptr, operation.compute, nullptr);
    TF_RegisterKernelBuilder(operation.name, kernel, status);
    good = TF_GetCode(status) == TF_OK;
  }
  TF_DeleteStatus(status);
  return good;
}();

}  // namespace
