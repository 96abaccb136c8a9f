// RUN: camc compile %s --pipeline unshared --stop-after ternary | filecheck %s --check-prefix TERNARY
// RUN: camc compile %s --pipeline unshared --stop-after apv | filecheck %s --check-prefix APV
// RUN: camc compile %s --pipeline unshared --stop-after convert-apv-to-rtm | filecheck %s --check-prefix RTM
// RUN: camc compile %s --pipeline unshared --target small -o %t.mlir
// RUN: filecheck %s --input-file %t.mlir --check-prefix AP
// RUN: camc opt %s -p convert-ternary-to-apv,convert-apv-to-rtm,convert-rtm-to-ap | filecheck %s --check-prefix OPT
// RUN: camc verify %s %t.mlir | filecheck %s --check-prefix SAME

// TERNARY: ternary.matmul
// APV-NOT: ternary.matmul
// APV: apv.linear
// RTM-NOT: apv.linear
// RTM: rtm.program {{.*}} geometry <256x256x64>
// AP-NOT: rtm.program
// AP: ap.program {{.*}} geometry <64x64x32>
// OPT: ap.program {{.*}} geometry <256x256x64>
// SAME: stages.mlir: sets the outputs
// SAME: stages.mlir{{.*}}: the same outputs

func.func @main(%x: tensor<?x2x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<-3, 3>> {
  %a = ternary.matmul %x : tensor<?x2x!ternary.int<0, 3>> -> tensor<?x1x!ternary.int<-3, 3>> weights <{
    +-
  }>
  func.return %a : tensor<?x1x!ternary.int<-3, 3>>
}
