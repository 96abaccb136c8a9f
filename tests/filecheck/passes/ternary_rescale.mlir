// RUN: camc opt %s -p ternary-rescale | filecheck %s
// RUN: camc opt %s -p 'ternary-rescale{domains=12}' | filecheck %s --check-prefix=NARROW

// The thresholds of x * 3 / 16, rounded half up, are a line; a column of 12 domains doesn't hold its sums.
// CHECK-LABEL: func.func @line
// NARROW-LABEL: func.func @line
func.func @line(%x: tensor<?x1x!ternary.int<-900, 900>>) -> tensor<?x1x!ternary.int<-16, 16>> {
  // CHECK: ternary.rescale %{{.*}} layer "q" lines <{
  // CHECK-NEXT: * 3 + {{[0-9]+}} >> 4 in -16..16
  // NARROW: ternary.threshold
  %t = ternary.threshold %x : tensor<?x1x!ternary.int<-900, 900>> -> tensor<?x1x!ternary.int<-16, 16>> layer "q" thresholds <{
    up -82 -77 -72 -66 -61 -56 -50 -45 -40 -34 -29 -24 -18 -13 -8 -2 3 8 14 19 24 30 35 40 46 51 56 62 67 72 78 83
  }>
  func.return %t : tensor<?x1x!ternary.int<-16, 16>>
}

// A curve has none.
// CHECK-LABEL: func.func @curve
func.func @curve(%x: tensor<?x1x!ternary.int<-900, 900>>) -> tensor<?x1x!ternary.int<0, 17>> {
  // CHECK: ternary.threshold
  %t = ternary.threshold %x : tensor<?x1x!ternary.int<-900, 900>> -> tensor<?x1x!ternary.int<0, 17>> thresholds <{
    up 1 4 9 16 25 36 49 64 81 100 121 144 169 196 225 256 289
  }>
  func.return %t : tensor<?x1x!ternary.int<0, 17>>
}

// A few comparisons take fewer cycles than a product.
// CHECK-LABEL: func.func @few
func.func @few(%x: tensor<?x1x!ternary.int<-9, 9>>) -> tensor<?x1x!ternary.int<-1, 1>> {
  // CHECK: ternary.threshold
  %t = ternary.threshold %x : tensor<?x1x!ternary.int<-9, 9>> -> tensor<?x1x!ternary.int<-1, 1>> thresholds <{
    up -3 4
  }>
  func.return %t : tensor<?x1x!ternary.int<-1, 1>>
}
