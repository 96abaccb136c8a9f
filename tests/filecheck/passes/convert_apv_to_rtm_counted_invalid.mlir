// RUN: not camc opt %s -p apv-count,convert-apv-to-rtm 2>&1 | filecheck %s

// CHECK: camc: error: fc: its weights and tables take 2 arrays, the target has 1
// CHECK: hint: larger arrays, or --mapping code
builtin.module attributes {rtm.target = #rtm.target<{
  name = "counting"
  rows = 4
  columns = 4
  domains = 1
  arrays = 1
  counter = true
  accumulator_bits = 9
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
