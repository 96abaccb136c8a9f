// RUN: camc opt %s -p 'apv-choose{count=true}' | filecheck %s
// RUN: camc opt %s -p 'apv-choose{count=true samples=256 tech="dwm"}' | filecheck %s --check-prefix=BATCH

builtin.module attributes {rtm.target = #rtm.target<{
  name = "counting"
  counter = true
  counter_segments = 16
}>} {
  // For one sample three inputs are counted; code fills its rows with samples, and takes less for many of them.
  // CHECK-LABEL: func.func @main
  // CHECK-NEXT:  %[[R:.*]] = apv.count %{{.*}} weights <{
  // CHECK-NEXT:    +0-
  // CHECK-NEXT:    0++
  // CHECK-NEXT:  }>
  // CHECK-NEXT:  func.return %[[R]]
  // BATCH-LABEL: func.func @main
  // BATCH-NEXT:  apv.stage
  func.func @main(%x: tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<-1, 2>> {
    %r = apv.stage : tensor<?x2x!ternary.int<-1, 2>> {
      %a = apv.load %x : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
      %l = apv.linear %a : (!apv.columns<3, 0, 1>) -> !apv.columns<2, -1, 2> weights <{
        +0-
        0++
      }>
      %s = apv.store %l : !apv.columns<2, -1, 2> -> tensor<?x2x!ternary.int<-1, 2>>
      apv.yield %s : tensor<?x2x!ternary.int<-1, 2>>
    }
    func.return %r : tensor<?x2x!ternary.int<-1, 2>>
  }
}
