// A tiny network whole, as it stands at each of the four levels, for the target that every module carries.

// RUN: camc compile %s --stop-after ternary | filecheck %s --check-prefix TERNARY
// RUN: camc compile %s --stop-after apv | filecheck %s --check-prefix APV
// RUN: camc compile %s --stop-after rtm | filecheck %s --check-prefix RTM
// RUN: camc compile %s --stop-after ap | filecheck %s --check-prefix AP
// RUN: camc compile %s -o %t.camx
// RUN: camc verify %s %t.camx | filecheck %s --check-prefix SAME

// SAME: levels.mlir: sets the outputs
// SAME-NEXT: the same outputs

// TERNARY: builtin.module attributes {rtm.target =
// Integer tensors with exact ranges; the quantiser and the scaling at the ends are the host's.
// TERNARY:   func.func @main(%x: tensor<?x2xf32> {onnx.name = "x"}) -> (tensor<?x2xf32> {onnx.name = "y"}) {
// TERNARY-NEXT:     %q = ternary.quantize %x : tensor<?x2xf32> -> tensor<?x2x!ternary.int<0, 1>> layer "in" thresholds <{
// TERNARY-NEXT:       up 0.5
// TERNARY-NEXT:     }>
// TERNARY-NEXT:     %a = ternary.matmul %q : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x2x!ternary.int<-1, 2>> layer "fc" weights <{
// TERNARY-NEXT:       ++
// TERNARY-NEXT:       +-
// TERNARY-NEXT:     }>
// TERNARY-NEXT:     %t = ternary.threshold %a : tensor<?x2x!ternary.int<-1, 2>> -> tensor<?x2x!ternary.int<0, 1>> layer "act" thresholds <{
// TERNARY-NEXT:       up 1
// TERNARY-NEXT:     }>
// TERNARY-NEXT:     %y = ternary.dequantize %t {scale = array<f64: 5.000000e-01>, offset = array<f64: 0.000000e+00>} : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x2xf32>
// TERNARY-NEXT:     func.return %y : tensor<?x2xf32>
// TERNARY-NEXT:   }

// What works on the same rows is a stage, and the weights are an adder graph over column vectors.
// APV:   func.func @main(%x: tensor<?x2xf32> {onnx.name = "x"}) -> (tensor<?x2xf32> {onnx.name = "y"}) {
// APV-NEXT:     %q = ternary.quantize %x : tensor<?x2xf32> -> tensor<?x2x!ternary.int<0, 1>> layer "in" thresholds <{
// APV-NEXT:       up 0.5
// APV-NEXT:     }>
// APV-NEXT:     %t = apv.stage : tensor<?x2x!ternary.int<0, 1>> {
// APV-NEXT:       %q_1 = apv.load %q : tensor<?x2x!ternary.int<0, 1>> -> !apv.columns<2, 0, 1>
// APV-NEXT:       %a = apv.sum %q_1 : (!apv.columns<2, 0, 1>) -> !apv.columns<2, -1, 2> layer "fc" graph <{
// APV-NEXT:         inputs 2 in 0..1
// APV-NEXT:         %2 = %0 + %1 : u2
// APV-NEXT:         %3 = %0 - %1 : i2
// APV-NEXT:         out %2
// APV-NEXT:         out %3
// APV-NEXT:       }>
// APV-NEXT:       %t_1 = apv.threshold %a : !apv.columns<2, -1, 2> -> !apv.columns<2, 0, 1> layer "act" thresholds <{
// APV-NEXT:         up 1
// APV-NEXT:       }>
// APV-NEXT:       %t_2 = apv.store %t_1 : !apv.columns<2, 0, 1> -> tensor<?x2x!ternary.int<0, 1>>
// APV-NEXT:       apv.yield %t_2 : tensor<?x2x!ternary.int<0, 1>>
// APV-NEXT:     }
// APV-NEXT:     %y = ternary.dequantize %t {scale = array<f64: 5.000000e-01>, offset = array<f64: 0.000000e+00>} : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x2xf32>
// APV-NEXT:     func.return %y : tensor<?x2xf32>
// APV-NEXT:   }

// Every value has a column, domains and a lifetime; instructions that share operands are one bit loop.
// RTM:   func.func @main(%x: tensor<?x2xf32> {onnx.name = "x"}) -> (tensor<?x2xf32> {onnx.name = "y"}) {
// RTM-NEXT:     %q = ternary.quantize %x : tensor<?x2xf32> -> tensor<?x2x!ternary.int<0, 1>> layer "in" thresholds <{
// RTM-NEXT:       up 0.5
// RTM-NEXT:     }>
// RTM-NEXT:     %t = rtm.program %q : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 1>> geometry <256x256x64> {
// RTM-NEXT:       rtm.segment "fc" code <{
// RTM-NEXT:         loop {
// RTM-NEXT:           %0 : c0[0] = in 0
// RTM-NEXT:           %1 : c1[0] = in 1
// RTM-NEXT:           %2 : c2[0:2] = %0 + %1 carry c3[0]
// RTM-NEXT:           %3 : c0[0:2] = zext %0 @1
// RTM-NEXT:           %4 : c0[0:2]s = %3 -= %1 carry c4[0]
// RTM-NEXT:         }
// RTM-NEXT:       }>
// RTM-NEXT:       rtm.segment "act" code <{
// RTM-NEXT:         %2 : c2[0:2] live
// RTM-NEXT:         %4 : c0[0:2]s live
// RTM-NEXT:         loop {
// RTM-NEXT:           %5 : c1[0] = %4 >= 1
// RTM-NEXT:           %6 : c3[0] = %2 >= 1
// RTM-NEXT:         }
// RTM-NEXT:         loop {
// RTM-NEXT:           %7 : c4[0] = 0
// RTM-NEXT:           %8 : c5[0] = 0
// RTM-NEXT:           %9 : c5[0] = %8 set 1 if %6
// RTM-NEXT:           %10 : c4[0] = %7 set 1 if %5
// RTM-NEXT:         }
// RTM-NEXT:       }>
// RTM-NEXT:       rtm.segment "store t" code <{
// RTM-NEXT:         %9 : c5[0] live
// RTM-NEXT:         %10 : c4[0] live
// RTM-NEXT:         loop {
// RTM-NEXT:           out 0 = %9
// RTM-NEXT:           out 1 = %10
// RTM-NEXT:         }
// RTM-NEXT:       }>
// RTM-NEXT:     }
// RTM-NEXT:     %y = ternary.dequantize %t {scale = array<f64: 5.000000e-01>, offset = array<f64: 0.000000e+00>} : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x2xf32>
// RTM-NEXT:     func.return %y : tensor<?x2xf32>
// RTM-NEXT:   }

// The machine code that this is.
// AP:   func.func @main(%x: tensor<?x2xf32> {onnx.name = "x"}) -> (tensor<?x2xf32> {onnx.name = "y"}) {
// AP-NEXT:     %q = ternary.quantize %x : tensor<?x2xf32> -> tensor<?x2x!ternary.int<0, 1>> layer "in" thresholds <{
// AP-NEXT:       up 0.5
// AP-NEXT:     }>
// AP-NEXT:     %t = ap.program %q : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 1>> geometry <256x256x64> {
// AP-NEXT:       ap.segment "fc" code <{
// AP-NEXT:         loop {
// AP-NEXT:           in c0.0:1, #0
// AP-NEXT:           in c1.0:1, #1
// AP-NEXT:           add c2.0:2, c0.0:1, c1.0:1, c3.0
// AP-NEXT:           set c0.1:1, #0 @1
// AP-NEXT:           sub.ip c0.0:2, c1.0:1, c4.0
// AP-NEXT:         }
// AP-NEXT:       }>
// AP-NEXT:       ap.segment "act" code <{
// AP-NEXT:         loop {
// AP-NEXT:           cmp.ge c1.0, c0.0:2s, #1
// AP-NEXT:           cmp.ge c3.0, c2.0:2, #1
// AP-NEXT:         }
// AP-NEXT:         loop {
// AP-NEXT:           set c4.0:1, #0
// AP-NEXT:           set c5.0:1, #0
// AP-NEXT:           set.if c5.0:1, c3.0, #1
// AP-NEXT:           set.if c4.0:1, c1.0, #1
// AP-NEXT:         }
// AP-NEXT:       }>
// AP-NEXT:       ap.segment "store t" code <{
// AP-NEXT:         loop {
// AP-NEXT:           out c5.0:1, #0
// AP-NEXT:           out c4.0:1, #1
// AP-NEXT:         }
// AP-NEXT:       }>
// AP-NEXT:     }
// AP-NEXT:     %y = ternary.dequantize %t {scale = array<f64: 5.000000e-01>, offset = array<f64: 0.000000e+00>} : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x2xf32>
// AP-NEXT:     func.return %y : tensor<?x2xf32>
// AP-NEXT:   }

func.func @main(%x: tensor<?x2xf32> {onnx.name = "x"}) -> (tensor<?x2xf32> {onnx.name = "y"}) {
  %q = ternary.quantize %x : tensor<?x2xf32> -> tensor<?x2x!ternary.int<0, 1>> layer "in" thresholds <{
    up 0.5
  }>
  %a = ternary.matmul %q : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x2x!ternary.int<-1, 2>> layer "fc" weights <{
    ++
    +-
  }>
  %t = ternary.threshold %a : tensor<?x2x!ternary.int<-1, 2>> -> tensor<?x2x!ternary.int<0, 1>> layer "act" thresholds <{
    up 1
  }>
  %y = ternary.dequantize %t {scale = array<f64: 0.5>, offset = array<f64: 0.0>} : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}
