// Shares out numbered pieces of work to threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace camc {

// Calls work(0), ..., work(count - 1) on at most `threads` threads; raises what one of the calls raised.
template <class Work>
void parallel(int64_t count, int threads, const Work& work) {
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex guard;
  auto run = [&] {
    try {
      for (int64_t number; (number = next.fetch_add(1)) < count;) work(number);
    } catch (...) {
      std::lock_guard<std::mutex> lock(guard);
      failure = std::current_exception();
      next = count;
    }
  };
  {
    std::vector<std::jthread> pool;
    for (int64_t extra = 1; extra < std::min<int64_t>(threads, count); ++extra) pool.emplace_back(run);
    run();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace camc
