// RUN: camc opt %s -p convert-ternary-to-apv,apv-across --validate-each | filecheck %s

// A layer gets a stage of its own with the sum that follows it output by output, and the layer before it another one.
// CHECK-LABEL: func.func @main
// CHECK:       apv.linear {{.*}} layer "c"
// CHECK:       apv.yield
// CHECK:       apv.linear {{.*}} layer "d"
// CHECK:       apv.linear {{.*}} layer "s"
// CHECK:       apv.yield
func.func @main(%x: tensor<?x1x3x3x!ternary.int<0, 1>> {onnx.name = "x"}) -> (tensor<?x2x2x2x!ternary.int<-2, 6>> {onnx.name = "s"}) {
  %c = ternary.conv %x window <kernel 2x2> : tensor<?x1x3x3x!ternary.int<0, 1>> -> tensor<?x2x2x2x!ternary.int<-2, 3>> layer "c" weights <{
    ++-+
    -+0-
  }>
  %t = ternary.threshold %c : tensor<?x2x2x2x!ternary.int<-2, 3>> -> tensor<?x2x2x2x!ternary.int<0, 1>> layer "t" thresholds <{
    up 0
  }>
  %d = ternary.conv %t window <kernel 1x1> : tensor<?x2x2x2x!ternary.int<0, 1>> -> tensor<?x2x2x2x!ternary.int<-2, 4>> layer "d" weights <{
    +-
    ++
  }>
  %s = ternary.combine %d, %t : (tensor<?x2x2x2x!ternary.int<-2, 4>>, tensor<?x2x2x2x!ternary.int<0, 1>>) -> tensor<?x2x2x2x!ternary.int<-2, 6>> layer "s" multipliers <{
    ++
  }>
  func.return %s : tensor<?x2x2x2x!ternary.int<-2, 6>>
}
