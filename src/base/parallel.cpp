#include "base/parallel.h"

#include <algorithm>

namespace gremium {

void set_threads(int threads) { omp_set_num_threads(threads > 0 ? threads : std::max(1, omp_get_num_procs())); }

int threads() { return omp_get_max_threads(); }

}  // namespace gremium
