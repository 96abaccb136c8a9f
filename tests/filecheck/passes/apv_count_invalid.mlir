// RUN: not camc opt %s -p apv-count 2>&1 | filecheck %s

// CHECK: camc: error: fc: its sums reach -1..3, accumulators have 2 bits
// CHECK: hint: a target with more accumulator_bits, or --mapping code
builtin.module attributes {rtm.target = #rtm.target<{
  name = "counting"
  rows = 4
  columns = 4
  domains = 1
  arrays = 1
  counter = true
  accumulator_bits = 2
}>} {
  func.func @main(%x: tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x4x!ternary.int<-1, 3>> {
    %r = apv.stage : tensor<?x4x!ternary.int<-1, 3>> {
      %a = apv.load %x : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
      %l = apv.linear %a : (!apv.columns<3, 0, 1>) -> !apv.columns<4, -1, 3> layer "fc" weights <{
        +0-
        +++
        0++
        ++0
      }>
      %s = apv.store %l : !apv.columns<4, -1, 3> -> tensor<?x4x!ternary.int<-1, 3>>
      apv.yield %s : tensor<?x4x!ternary.int<-1, 3>>
    }
    func.return %r : tensor<?x4x!ternary.int<-1, 3>>
  }
}
